# SPDX-License-Identifier: Apache-2.0
"""Numbers, dates and switches that no reader of YAML and TOML can make: told with the file, whoever reads it."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import yaml

from harness import cli, libyaml
from harness.releases import values

CELL = "kind-1.34/install-2.5.2"
ENDLESS = "9" * 5000
APP = """\
apiVersion: sparkoperator.k8s.io/v1beta2
kind: SparkApplication
metadata: {name: mine}
spec: {image: docker.io/library/spark:4.0.0, failureRetries: %s}
"""
CONFIG_MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x, generation: %s}\n"
CHART = "apiVersion: v2\nname: spark-operator\nversion: 2.5.2\nx: %s\n"
RUN = ("run", "--collect-only", "--cell")


@pytest.fixture(autouse=True)
def ends_here(monkeypatch: pytest.MonkeyPatch) -> None:
    # Where pytest would begin, the input was taken for a good one.
    monkeypatch.setattr(pytest, "main", lambda *_, **__: 0)


@pytest.mark.parametrize(
    "text", [ENDLESS, "!!int x", "!!int ''", "!!bool maybe", "!!float x", "!!timestamp x", "2024-02-31", "!!int 0b_"]
)
def test_whatever_cannot_be_made_is_an_error_of_the_yaml(text: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError) as raised:
        yaml.load(f"a: 1\nx: {text}\n", Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    assert raised.value.problem_mark
    assert raised.value.problem_mark.line == 1
    assert "that can be read" in str(raised.value.problem)


def test_what_json_has_no_form_for_is_read_as_helm_and_kubectl_do() -> None:
    text = "a: !!binary aMO8\nb: !!set {x, y}\nc: !!omap [x: 1]\nd: !!pairs [x: 1, x: 2]\n"
    found = yaml.load(text, Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    assert found == {"a": "hü", "b": {"x": None, "y": None}, "c": [{"x": 1}], "d": [{"x": 1}, {"x": 2}]}
    assert yaml.load("a: !!timestamp 2024-01-01", Loader=values.Loader) == {"a": "2024-01-01"}  # noqa: S506


@pytest.mark.parametrize("text", ["!!binary /w==", "!!binary ü", "!!set [a]", "!!omap {a: 1}", "!!binary {a: 1}"])
def test_a_tag_that_does_not_fit(text: str) -> None:
    with pytest.raises(yaml.MarkedYAMLError):
        yaml.load(f"x: {text}\n", Loader=libyaml.Loader)  # noqa: S506 - a safe loader


@pytest.mark.parametrize("text", [ENDLESS, "!!bool maybe", "!!binary /w=="])
@pytest.mark.parametrize(
    ("words", "name", "content"),
    [
        ((*RUN, f"{CELL}/spark-pi", "--values", "FILE"), "v.yaml", "controller: {replicas: %s}\n"),
        ((*RUN, f"{CELL}/user-apps", "--apps", "FOLDER"), "a.yaml", APP),
        ((*RUN, f"{CELL}/spark-pi", "--before", "FOLDER"), "a.yaml", CONFIG_MAP),
        (("advise", "--from", "2.2.1", "--to", "2.5.2", "--apps", "FOLDER"), "a.yaml", APP),
        (("advise", "--from", "2.2.1", "--to", "2.5.2", "--values", "FILE"), "v.yaml", "a: %s\n"),
        (("advise", "--to", "2.5.2", "--site", "FOLDER"), "site.yaml", "schema_version: %s\n"),
        (("snapshot", "--kubeconfig", "FILE"), "k", "x: %s\n"),
    ],
    ids=lambda it: it[0] if isinstance(it, tuple) else "",
)
def test_a_file_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str, content: str, text: str
) -> None:
    (tmp_path / name).write_text(content % text)
    places = {"FILE": str(tmp_path / name), "FOLDER": str(tmp_path)}
    assert cli.main([places.get(it, it) for it in words]) == 2
    told = capsys.readouterr().err
    assert str(tmp_path / name) in told
    assert "that can be read" in told
    assert len(told) < 2000


@pytest.mark.parametrize("text", [".nan", "-.inf", "!!float .NaN"])
def test_values_and_manifests_have_numbers_that_json_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    (tmp_path / "v.yaml").write_text(f"controller:\n  replicas: {text}\n")
    assert cli.main([*RUN, f"{CELL}/spark-pi", "--values", str(tmp_path / "v.yaml")]) == 2
    assert f"{tmp_path / 'v.yaml'}, line 2: not valid YAML: {text.split()[-1]} is a number that" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("matrix", "--config"), "harness.toml"),
        (("registry", "copy", "--plan"), "plan.toml"),
    ],
)
def test_a_number_of_toml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], name: str
) -> None:
    (tmp_path / name).write_text(f"# {ENDLESS}\n\n[x]\na = '{ENDLESS}'\njobs = [1.{ENDLESS}, -{ENDLESS}]\n")
    assert cli.main([*words, str(tmp_path / name)]) == 2
    assert f"{tmp_path / name}, line 5: key x.jobs: a number in it cannot be read" in capsys.readouterr().err


def test_a_chart_and_manifests_of_an_audit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with tarfile.open(tmp_path / "c.tgz", "w:gz") as tar:
        member = tarfile.TarInfo("spark-operator/Chart.yaml")
        member.size = len(CHART % ENDLESS)
        tar.addfile(member, io.BytesIO((CHART % ENDLESS).encode()))
    assert cli.main(["charts", "import", str(tmp_path / "c.tgz")]) == 2
    assert "Chart.yaml is not valid YAML" in capsys.readouterr().err
    (tmp_path / "a.yaml").write_text(CONFIG_MAP % ENDLESS)
    assert cli.main(["audit", "images", "--source", "upstream", "--manifests", str(tmp_path)]) == 0
    assert "warning unreadable: a.yaml:3: not valid YAML: " in capsys.readouterr().out
