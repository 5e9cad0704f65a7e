# SPDX-License-Identifier: Apache-2.0
"""What `harness advise` reads of files that deploy the operator: all values that they name, and the names in them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from harness import cli
from harness.advice import manifests
from harness.errors import UsageError
from harness.matrix import path_names

UPSTREAM = "https://kubeflow.github.io/spark-operator"
CHART = {"chart": "spark-operator", "repoURL": UPSTREAM, "targetRevision": "2.2.1"}
OCI = {"repoURL": "oci://ghcr.io/kubeflow/helm-charts/spark-operator", "path": ".", "targetRevision": "2.2.1"}
FOLDER = {"repoURL": "https://git.acme.example/a.git", "path": "charts/spark-operator", "targetRevision": "main"}
TAG: dict[str, Any] = {"image": {"tag": "2.2.1"}}
TEXT = json.dumps(TAG)
K3S = {"chart": "spark-operator", "version": "2.2.1", "valuesContent": "controller: {replicas: 2}"}
RELEASE = {"name": "op", "namespace": "etl", "chart": "kubeflow/spark-operator", "version": "2.2.1"}
FLEET = {"chart": "spark-operator", "version": "2.2.1", "releaseName": "op"}
TERRAFORM = {"chart": "spark-operator", "version": "2.2.1"}


def application(**source: Any) -> dict[str, Any]:
    return {"kind": "Application", "metadata": {"name": "op"}, "spec": {"source": source}}


def config(kind: str, text: str) -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": "beside"}, "data": {"values.yaml": text}}


def flux(**spec: Any) -> dict[str, Any]:
    chart = {"spec": {"chart": "spark-operator", "version": "2.2.1"}}
    return {"kind": "HelmRelease", "metadata": {"name": "op"}, "spec": {"chart": chart, **spec}}


def crossplane(**more: Any) -> dict[str, Any]:
    chart = {"name": "spark-operator", "repository": UPSTREAM, "version": "2.2.1"}
    spec = {"forProvider": {"chart": chart, "namespace": "etl", **more}}
    return {"kind": "Release", "metadata": {"name": "op"}, "spec": spec}


def read(tmp_path: Path, *documents: Any, name: str = "deploy.yaml") -> manifests.Manifest:
    file = tmp_path / name
    file.write_text("\n---\n".join(map(json.dumps, documents)))
    found = manifests.read(file)
    assert found
    return found


@pytest.mark.parametrize(
    "documents",
    [
        [
            flux(valuesFrom=[{"kind": "Secret", "name": "beside"}]),
            config("Secret", base64.b64encode(TEXT.encode()).decode()),
        ],
        [flux(valuesFrom=[{"kind": "Secret", "name": "beside"}]), config("Secret", TEXT)],
        [
            {"kind": "HelmChart", "metadata": {"name": "op"}, "spec": K3S},
            {"kind": "HelmChartConfig", "metadata": {"name": "op"}, "spec": {"valuesContent": TEXT}},
        ],
        [{"helm": {**FLEET, "values": {"image": {"tag": "a"}}, "valuesFiles": ["values.yaml"]}}],
        [{"helm": {**FLEET, "valuesFrom": [{"configMapKeyRef": {"name": "beside"}}]}}, config("ConfigMap", TEXT)],
        [crossplane(valuesFrom=[{"configMapKeyRef": {"name": "beside"}}]), config("ConfigMap", TEXT)],
        [{"releases": [{**RELEASE, "setString": [{"name": "image.tag", "value": "2.2.1"}]}]}],
        [{"templates": {"all": {"values": [TAG]}}, "releases": [{**RELEASE, "inherit": [{"template": "all"}]}]}],
        [
            {
                "templates": {"all": {"values": [{"image": {"tag": "a"}}]}},
                "releases": [{**RELEASE, "values": [TAG], "inherit": [{"template": "all"}]}],
            }
        ],
        [application(**OCI, helm={"valuesObject": TAG})],
        [application(**FOLDER, helm={"valuesObject": TAG})],
        [{"applications": [{**CHART, "name": "op", "values": TEXT}, {"name": "other", "chart": "kafka"}]}],
        [{"resource": {"helm_release": {"op": {**TERRAFORM, "set": {"name": "image.tag", "value": "2.2.1"}}}}}],
        [{"resource": {"helm_release": {"op": {**TERRAFORM, "set_list": [{"name": "image.tag", "value": "2.2.1"}]}}}}],
    ],
)
def test_values_are_read_wherever_a_tool_has_them(documents: list[Any], tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(TEXT)
    found = read(tmp_path, *documents)
    assert found.values["image"] == TAG["image"]
    assert found.elsewhere == ()


@pytest.mark.parametrize(
    ("document", "named"),
    [
        (application(**CHART, helm={"fileParameters": [{"name": "a", "path": "files/env.json"}]}), "files/env.json"),
        (
            application(**CHART, helm={"valueFiles": ["$values/{{ .path.basename }}/op.yaml"]}),
            "$values/{{ .path.basename }}/op.yaml",
        ),
        (
            {"releases": [{**RELEASE, "values": ["{{ .Environment.Name }}.yaml.gotmpl"]}]},
            "{{ .Environment.Name }}.yaml.gotmpl",
        ),
        ({"releases": [{**RELEASE, "secrets": ["secrets/op.yaml"]}]}, "secrets/op.yaml"),
        ({"releases": [{**RELEASE, "set": [{"name": "a", "file": "config/a.txt"}]}]}, "config/a.txt"),
        ({"helm": {**FLEET, "valuesFrom": [{"configMapKeyRef": {"name": "away"}}]}}, "ConfigMap away"),
        (crossplane(valuesFrom=[{"secretKeyRef": {"name": "away", "key": "a"}}]), "Secret away"),
        (crossplane(set=[{"name": "a", "valueFrom": {"secretKeyRef": {"name": "away", "key": "a"}}}]), "Secret away"),
    ],
)
def test_values_that_are_elsewhere_are_named(document: Any, named: str, tmp_path: Path) -> None:
    assert read(tmp_path, document).elsewhere == (named,)


def test_a_list_of_a_helmfile_is_one_value(tmp_path: Path) -> None:
    given = [{"name": "spark.jobNamespaces", "values": ["a", "b"]}]
    assert read(tmp_path, {"releases": [{**RELEASE, "set": given}]}).values == {"spark": {"jobNamespaces": ["a", "b"]}}


@pytest.mark.parametrize(
    ("document", "release", "home", "version"),
    [
        (
            {"resources": {"a": {"properties": {"name": "op", "chart": "spark-operator", "namespace": "etl"}}}},
            *("op", "etl", ""),
        ),
        ({"applications": [{**CHART, "name": "op", "namespace": "etl"}]}, "op", "etl", "2.2.1"),
        (crossplane(), "op", "etl", "2.2.1"),
        (
            {
                "templates": {"all": {"namespace": "etl"}},
                "releases": [{"name": "op", "chart": "a/spark-operator", "inherit": [{"template": "all"}]}],
            },
            *("op", "etl", ""),
        ),
        (application(**FOLDER), "op", "", "main"),
    ],
)
def test_names_are_those_beside_the_chart(document: Any, release: str, home: str, version: str, tmp_path: Path) -> None:
    found = read(tmp_path, document)
    assert (found.name, found.home, found.version) == (release, home, version)


def test_a_folder_in_git_is_no_repository_of_charts(tmp_path: Path) -> None:
    assert read(tmp_path, application(**FOLDER)).address == ""
    assert read(tmp_path, application(**OCI)).address == OCI["repoURL"]
    assert read(tmp_path, {"applications": [CHART]}).renders_crds


@pytest.mark.parametrize(
    ("name", "document", "says", "step"),
    [
        (
            "Chart.yaml",
            {"name": "a", "version": "1.0.0", "dependencies": [{"name": "spark-operator", "version": "2.2.1"}]},
            "says which charts are its dependencies",
            "--chart ",
        ),
        (
            "helmfile.yaml",
            {"helmfiles": [{"path": "a/helmfile.yaml"}, "b.yaml"]},
            "a/helmfile.yaml, b.yaml",
            "give the one",
        ),
    ],
)
def test_a_file_without_values_says_where_they_are(
    name: str, document: Any, says: str, step: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        read(tmp_path, document, name=name)
    assert step in refused.value.next_step


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("2.1.*", "the version in the file, 2.1.*, does not say which one"),
        ("{{version}}", "the version in the file, {{version}}, is filled in elsewhere"),
        ("2.5.2", "the file deploys 2.5.2 already, which is what --to names"),
        ("", "and no file given says its version"),
    ],
)
@pytest.mark.usefixtures("own_folders")
def test_a_version_that_is_not_the_installed_one_is_explained(
    version: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(json.dumps(application(**{**CHART, "targetRevision": version})))
    assert cli.main(["advise", "--to", "2.5.2", "--values", str(file)]) == 2
    told = capsys.readouterr().err
    assert says in told
    assert "`helm list --all-namespaces` shows" in told


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("2.1.x", "give 2.1.1 or 2.1.0"),
        ("~2.1", "give 2.1.1 or 2.1.0"),
        ("^2.1.1", "give 2.1.1"),
        (">=2.1", "this stands for several releases: give one of them"),
        ("2.1.0 || 2.2.1", "this stands for several releases: give one of them"),
        ("v2.1.1", "give 2.1.1: versions are written without a v"),
    ],
)
def test_a_range_is_no_release(name: str, step: str) -> None:
    with pytest.raises(UsageError) as refused:
        path_names.require_release(name, ["2.1.0", "2.1.1", "2.2.1"])
    assert step in refused.value.next_step
