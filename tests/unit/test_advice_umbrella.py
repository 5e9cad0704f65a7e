# SPDX-License-Identifier: Apache-2.0
"""The steps where the operator's chart is a dependency of another: that chart is changed, and is what is upgraded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from site_samples import helm_secret, production

from harness import cli
from harness.releases import umbrella

VALUES = """\
global: {env: prod}
spark-operator: {image: {registry: docker.io}, spark: {jobNamespaces: [a]}}
other: {replicas: 2}
"""
MANIFEST = "apiVersion: x/v1\nkind: X\nspec: {values: {webhook: {enable: true}, sparkOperator: {image: {tag: v1}}}}\n"


pytestmark = pytest.mark.usefixtures("own_folders")


def steps(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, *more: str) -> list[str]:
    file = tmp_path / "values.yaml"
    file.write_text(text)
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file), "--json", *more]) == 0
    return [it["text"] for it in json.loads(capsys.readouterr().out)["steps"]]


def test_the_dependency_is_changed_and_the_umbrella_chart_is_upgraded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = steps(tmp_path, capsys, VALUES)
    assert told[0].startswith("remove spark-operator.image.registry from the values")
    assert "every namespace of spark-operator.spark.jobNamespaces" in told[1]
    assert told[2].startswith(
        "in UMBRELLA-CHART/Chart.yaml, dependency spark-operator: version: 2.5.2, repository: https"
    )
    assert told[3] == "helm dependency update UMBRELLA-CHART"
    assert "helm show crds oci://ghcr.io/kubeflow/helm-charts/spark-operator --version 2.5.2 |" in told[4]
    assert told[5].startswith("helm upgrade RELEASE UMBRELLA-CHART --namespace NAMESPACE --values ")
    assert "app.kubernetes.io/instance=RELEASE" in told[6]


@pytest.mark.parametrize("tool", ["argocd", "flux", "terraform", "helmfile", "kubectl"])
def test_no_tool_is_told_to_deploy_the_plain_chart(
    tool: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = "\n".join(steps(tmp_path, capsys, VALUES, "--tool", tool))
    assert "dependency spark-operator: version: 2.5.2" in told
    for plain in (
        "helm template spark",
        'targetRevision":"2.5.2',
        'version":"2.5.2',
        'version = "2.5.2',
        "release spark",
    ):
        assert plain not in told


def test_the_key_may_be_an_alias_below_further_charts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = steps(tmp_path, capsys, "platform: {jobs: {webhook: {enable: true}}}", "--values-key", "platform.jobs")
    assert told[0].startswith("in UMBRELLA-CHART/charts/platform/Chart.yaml, dependency spark-operator (alias jobs):")
    assert told[1] == "helm dependency update UMBRELLA-CHART/charts/platform && helm dependency update UMBRELLA-CHART"


def test_a_manifest_is_no_umbrella_chart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MANIFEST)
    assert umbrella.key_of([file], "spec.values") == ""
    assert umbrella.key_of([file], "spec.values.sparkOperator") == "sparkOperator"
    assert umbrella.key_of([file], "data.values\\.yaml.jobs") == "jobs"
    told = steps(tmp_path, capsys, MANIFEST.replace("sparkOperator", "controller"), "--values-key", "spec.values")
    assert "UMBRELLA" not in "\n".join(told)


def test_a_snapshot_says_the_release_of_the_umbrella_chart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    secret = "/api/v1/namespaces/spark/secrets/sh.helm.release.v1.my-op.v3"
    given = {"spark-operator": {"controller": {"workers": 3}}}
    with production(tmp_path, single={secret: helm_secret(given, chart="platform")}) as cluster:
        cli.main(["advise", "--context", "fake", "--kubeconfig", str(cluster.kubeconfig), "--to", "2.5.2", "--json"])
    told = "\n".join(it["text"] for it in json.loads(capsys.readouterr().out)["steps"])
    assert "helm dependency update UMBRELLA-CHART" in told
    assert "helm --kube-context fake upgrade my-op UMBRELLA-CHART --namespace spark" in told


def test_each_operator_of_an_umbrella_chart_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "a: {spark-operator: {image: {registry: docker.io}}}\nb: {spark-operator: {image: {tag: 2.1.1}}}\n"
    told = steps(tmp_path, capsys, text)
    assert told[0].startswith("remove a.spark-operator.image.registry from the values")
    assert told[1] == "remove b.spark-operator.image.tag from the values"
    assert [it.partition(",")[0] for it in told[2:4]] == [f"in UMBRELLA-CHART/charts/{it}/Chart.yaml" for it in "ab"]
    assert told[4].count("helm dependency update UMBRELLA-CHART") == 3
    assert told[4].endswith("helm dependency update UMBRELLA-CHART")


def test_an_alias_that_is_a_key_of_the_chart_or_one_of_several_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "values.yaml"
    for text, keys in (
        ("spark: {controller: {workers: 1}, image: {tag: a}}\n", ["spark"]),
        ("op-a: {image: {tag: a}, spark: {}}\nop-b: {image: {tag: a}, spark: {}}\n", ["op-a", "op-b"]),
    ):
        file.write_text(text)
        assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file)]) == 2
        assert f"give {', then '.join(f'--values-key {it}' for it in keys)}\n" in capsys.readouterr().err


@pytest.mark.parametrize("alias", ["", "jobs"])
def test_an_umbrella_chart_may_be_given_and_its_own_values_count(
    alias: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart, key = tmp_path / "platform", alias or "spark-operator"
    chart.mkdir()
    dependency = {"name": "spark-operator", "version": "2.1.1", **({"alias": alias} if alias else {})}
    (chart / "Chart.yaml").write_text(
        json.dumps({"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]})
    )
    (chart / "values.yaml").write_text(f"{key}: {{image: {{registry: docker.io}}}}\n")
    told = steps(tmp_path, capsys, f"{key}: {{image: {{tag: 2.1.1}}}}\n", "--chart", str(chart))
    named = f" (alias {alias})" if alias else ""
    assert told[0].startswith(f"remove {key}.image.registry from the values")
    assert told[1] == f"remove {key}.image.tag from the values"
    assert told[2].startswith(f"in {chart}/Chart.yaml, dependency spark-operator{named}: version: 2.5.2")
    assert told[3] == f"helm dependency update {chart}"
    assert told[4].startswith("helm show crds oci://")
    assert told[5].startswith(f"helm upgrade RELEASE {chart} ")


def test_a_file_beside_an_umbrella_chart_may_have_nothing_of_the_operator(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = umbrella_chart(tmp_path, "2.1.1")
    (tmp_path / "common.yaml").write_text("global: {team: data}\ngrafana: {enabled: true}\n")
    (tmp_path / "mine.yaml").write_text("jobs: {image: {registry: docker.io}}\n")
    words = ["advise", "--to", "2.5.2", "--chart", str(chart), "--values", str(tmp_path / "common.yaml")]
    assert cli.main(words) == 0
    assert cli.main([*words, "--values", str(tmp_path / "mine.yaml")]) == 0
    assert "jobs.image.registry" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            "controller: {workers: 5}\n",
            "has controller at its top: Helm would ignore them\n  next: put",
        ),
        ("spark-operator: {controller: {workers: 5}}\n", "has those of the operator below spark-operator: Helm would"),
    ],
)
def test_values_of_the_operator_that_an_umbrella_chart_would_ignore(
    values: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = umbrella_chart(tmp_path, "2.1.1")
    (tmp_path / "values.yaml").write_text(values)
    words = ["advise", "--to", "2.5.2", "--chart", str(chart), "--values", str(tmp_path / "values.yaml")]
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert f"the chart {chart} reads the operator's values below jobs" in told
    assert said in told
    assert "--values-key" not in told


def umbrella_chart(folder: Path, version: str, locked: str = "", repository: str = "") -> Path:
    chart = folder / "platform"
    chart.mkdir()
    dependency = {"name": "spark-operator", "alias": "jobs", "version": version, "repository": repository}
    (chart / "Chart.yaml").write_text(
        json.dumps({"apiVersion": "v2", "name": "platform", "version": "1.0.0", "dependencies": [dependency]})
    )
    if locked:
        lock = {"dependencies": [{**dependency, "version": locked}], "digest": "sha256:1"}
        (chart / "Chart.lock").write_text(json.dumps(lock))
    return chart


@pytest.mark.parametrize(
    ("asked", "locked", "origin"),
    [("2.0.2", "", "2.0.2"), ("~2.1.0", "2.1.0", "2.1.0"), ("2.5.2", "2.1.1", "2.1.1"), ("~2.1.1", "", "2.1.1")],
)
def test_an_umbrella_chart_says_which_release_is_installed(
    asked: str, locked: str, origin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = umbrella_chart(tmp_path, asked, locked)
    assert cli.main(["advise", "--to", "2.5.2", "--chart", str(chart), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == origin


@pytest.mark.parametrize(
    ("asked", "locked", "said"),
    [
        (
            "~2.1.0",
            "",
            "Chart.yaml, ~2.1.0, does not say which one: it allows 2.1.0 and 2.1.1\n  next: give --from 2.1.0 or",
        ),
        ("2.x", "", "Chart.yaml, 2.x, does not say which one: it allows 2.0.0 to 2.5.2\n  next: give --from with one"),
        ("~2.5.0", "2.5.2", "Chart.lock deploys 2.5.2 already, which is what --to names"),
    ],
)
def test_a_range_or_the_new_version_says_what_to_give(
    asked: str, locked: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = umbrella_chart(tmp_path, asked, locked)
    assert cli.main(["advise", "--to", "2.5.2", "--chart", str(chart)]) == 2
    assert said in capsys.readouterr().err


def test_the_lock_of_a_chart_has_no_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = umbrella_chart(tmp_path, "~2.1.0", "2.1.1")
    assert cli.main(["advise", "--to", "2.5.2", "--values", str(chart / "Chart.lock")]) == 2
    assert f"give its folder as the chart, --chart {chart}" in capsys.readouterr().err


def test_a_dependency_stays_in_the_repository_that_it_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = "oci://harbor.corp.example/charts"
    chart = umbrella_chart(tmp_path, "2.1.1", repository=own)
    told = steps(tmp_path, capsys, "jobs: {}\n", "--chart", str(chart))
    assert told[0].startswith(f"see that the chart 2.5.2 is at {own}; upstream has it at oci://ghcr.io/")
    assert f"dependency spark-operator (alias jobs): version: 2.5.2, repository: {own};" in told[1]


def test_every_key_is_told_as_the_umbrella_chart_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("jobs: {image: {repository: me/op, tag: 2.1.1}, hook: {upgradeCrd: true}}\n")
    argv = ["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", str(file), "--values-key", "jobs", "--json"]
    cli.main(argv)
    found = json.loads(capsys.readouterr().out)
    assert "write jobs.image.registry: docker.io beside jobs.image.repository" in found["steps"][0]["text"]
    assert any("if jobs.image.tag pins one of these" in it["text"] for it in found["values"])


def test_a_profile_is_a_file_that_helm_can_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", "profile:ha", "--json"]) == 0
    told = "".join(it["text"] for it in json.loads(capsys.readouterr().out)["steps"])
    assert "charts/values/ha.yaml --reset-values --wait" in told
