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
    assert told[0].startswith("remove image.registry from the values")
    assert told[1] == "remove image.tag from the values"
    assert told[2].startswith(f"in {chart}/Chart.yaml, dependency spark-operator{named}: version: 2.5.2")
    assert told[3] == f"helm dependency update {chart}"
    assert told[4].startswith("helm show crds oci://")
    assert told[5].startswith(f"helm upgrade RELEASE {chart} ")


def test_a_profile_is_a_file_that_helm_can_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["advise", "--from", "2.1.1", "--to", "2.5.2", "--values", "profile:ha", "--json"]) == 0
    told = "".join(it["text"] for it in json.loads(capsys.readouterr().out)["steps"])
    assert "charts/values/ha.yaml --reset-values --wait" in told
