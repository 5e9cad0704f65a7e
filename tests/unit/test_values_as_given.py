# SPDX-License-Identifier: Apache-2.0
"""Values files as people have them: what Helm takes is taken, and what it would ignore or trip over is said."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from advice_samples import CATALOGUE

from harness import cli
from harness.advice.remarks import End, Remark
from harness.advice.values import remarks
from harness.errors import UsageError
from harness.matrix.chart_facts import values as facts
from harness.releases import umbrella
from harness.releases.values import load_values

APPLICATION = """\
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata: {name: op}
spec: {source: {helm: {values: "image: {registry: quay.io}"}}}
"""
RELEASE = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nspec: {values: {image: {registry: quay.io}}}\n"
CONFIG_MAP = 'apiVersion: v1\nkind: ConfigMap\ndata: {values.yaml: "image: {registry: quay.io}"}\n'
DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 1}\n"


def written(tmp_path: Path, text: str | bytes) -> Path:
    file = tmp_path / "prod.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def told(values: dict[str, Any]) -> list[Remark]:
    origin, target = (End(name=it, release=CATALOGUE.release(it), defaults=facts(it)) for it in ("2.2.1", "2.5.2"))
    return [it for it in remarks(values, origin, target) if "the default of" not in it.sentence.text]


@pytest.mark.parametrize(
    "text",
    [
        "image:\r\n  registry: quay.io\r\n",
        "\ufeffimage: {registry: quay.io}\n",
        "image: {registry: quay.io}\n---\n",
        "---\nimage: {registry: quay.io}\n...\n---\n# nothing\n",
        "image: {registry: docker.io}\nimage: {registry: quay.io}\n",
        "x-c: &c {registry: quay.io}\nimage: {<<: *c}\nUSER-SUPPLIED VALUES:\n",
        '{"image": {"registry": "quay.io"}}',
        "WARNING: Kubernetes configuration file is readable.\nUSER-SUPPLIED VALUES:\nimage: {registry: quay.io}\n",
        "E1203 10:00:00.000000   12 memcache.go:287] couldn't get resource list\r\nimage: {registry: quay.io}\n",
    ],
)
def test_what_helm_reads_is_read_the_same_way(tmp_path: Path, text: str) -> None:
    assert load_values(written(tmp_path, text))["image"] == {"registry": "quay.io"}


def test_a_second_document_which_helm_leaves_out_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"prod\.yaml, line 2: another document begins; Helm reads the first"):
        load_values(written(tmp_path, "controller: {workers: 3}\n---\ncontroller: {workers: 7}\n"))


@pytest.mark.parametrize(
    "text",
    [
        "image:\n  tag: {{ .Values.tag }}\n",
        "{% if prod %}\nimage: {tag: 2.5.2}\n{% endif %}\n",
        "controller:\n  resources: {limits: {cpu: ${CPU}, memory: 1Gi}}\n",
        "image: {tag: ${TAG:-2.5.2}}\n",
    ],
)
def test_a_template_that_nobody_has_filled_in_is_told_as_one(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="not valid YAML") as refused:
        load_values(written(tmp_path, text))
    assert refused.value.next_step.startswith("fill in the template first")


def test_a_variable_elsewhere_is_not_why_a_line_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="line 2: not valid YAML") as refused:
        load_values(written(tmp_path, "image: {tag: '${TAG}'}\nspark: ]\n"))
    assert refused.value.next_step.startswith("correct that line")


def test_what_ytt_fills_in_is_no_null(tmp_path: Path) -> None:
    file = tmp_path / "values.yaml"
    file.write_text("#@data/values\n---\nimage:\n  registry: #@ data.values.registry\n  tag: 2.5.2 #@ no\n")
    with pytest.raises(UsageError, match="line 4: ytt fills in this value") as refused:
        load_values(file)
    assert "`ytt -f`" in refused.value.next_step
    file.write_text("# @schema\nimage: #@schema\n  tag: 2.5.2 # see\n")
    assert load_values(file) == {"image": {"tag": "2.5.2"}}


@pytest.mark.parametrize(
    ("text", "kind", "key"),
    [
        (APPLICATION, "Application", "spec.source.helm.values"),
        (RELEASE, "HelmRelease", "spec.values"),
        (CONFIG_MAP, "ConfigMap", "data.values\\.yaml"),
        (DEPLOYMENT, "Deployment", ""),
    ],
)
def test_a_manifest_is_no_values_file_and_its_values_have_a_key(
    tmp_path: Path, text: str, kind: str, key: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    file = written(tmp_path, text)
    with pytest.raises(UsageError, match=f"is a manifest, of the kind {kind}") as refused:
        umbrella.load([file])
    step = refused.value.next_step
    if key:
        assert step == f"give the values in it: --values-key {shlex.quote(key)}"
    else:
        assert step.endswith("`helm get values RELEASE --namespace NAMESPACE --output yaml > values.yaml`")
    if key:
        assert umbrella.load([file], key) == ({"image": {"registry": "quay.io"}},)
        asked = ["advise", "--from", "2.4.0", "--to", "2.5.2", "--values", str(file)]
        assert cli.main(asked) == 2
        assert f"--values-key {shlex.quote(key)}" in capsys.readouterr().err
        assert cli.main([*asked, "--values-key", key]) == 0
        assert "your own registry must have quay.io/kubeflow/spark-operator/controller:2.5.2" in capsys.readouterr().out


def test_a_tag_of_the_same_version_with_its_digest_is_right() -> None:
    found = told({"image": {"tag": "2.5.2@sha256:" + "ab" * 32}})
    assert not any("keeps the image" in it.sentence.text for it in found)


def test_a_key_with_a_dot_in_it_is_told_as_one() -> None:
    (remark,) = told({"image.registry": "quay.io"})
    assert "image.registry has a dot in its name" in remark.sentence.text
    assert remark.step == "write image.registry as keys below each other"
