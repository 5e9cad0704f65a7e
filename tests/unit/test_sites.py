# SPDX-License-Identifier: Apache-2.0
"""Snapshots of what operators and their tools write in their own ways, which is not always what a schema suggests."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from advice_samples import CATALOGUE
from site_samples import application, deployment, helm_secret, objects, production

from harness import cli
from harness.advice import site as advised
from harness.errors import UsageError
from harness.sites import folder
from harness.sites.installed import registries_of
from harness.sites.model import Site


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)


def taken(
    tmp_path: Path, *, single: Mapping[str, Any] | None = None, answers: Mapping[str, Any] | None = None, **listed: Any
) -> tuple[Site, Path]:
    target = tmp_path / "site"
    with production(tmp_path, objects(**listed), answers, single) as cluster:
        assert cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(target)]) == 0
    return folder.read(target), target


def test_a_time_that_has_not_come_is_null_in_a_running_application(tmp_path: Path) -> None:
    """The operator's times are no pointers, so that `omitempty` keeps them (api/v1beta2, nullable in the CRD)."""
    running = application("runs")
    running["status"] = {
        "applicationState": {"state": "RUNNING"},
        "lastSubmissionAttemptTime": "2026-11-30T06:00:00Z",
        "terminationTime": None,
    }
    _, target = taken(tmp_path, sparkapplications=[running])
    (kept,) = folder.stored(target, "SparkApplication")
    assert kept["status"] == {"state": "RUNNING"}


def test_all_namespaces_are_no_namespace(tmp_path: Path) -> None:
    controller = deployment("controller")
    controller["spec"]["template"]["spec"]["containers"][0]["args"][2] = '--namespaces=""'
    site, _ = taken(tmp_path, deployments=[controller], secrets=[])
    assert [it.name for it in site.namespaces] == ["etl", "spark"]


def test_fields_of_what_refers_to_a_secret_are_none(tmp_path: Path) -> None:
    """Masked, they would not fit their own CRD, and no API server would take them in a rehearsal."""
    token = {"serviceAccountToken": {"audience": "sts.amazonaws.com", "expirationSeconds": 86400, "path": "token"}}
    volumes = [
        {
            "name": "a",
            "secret": {"secretName": "db", "defaultMode": 420, "items": [{"key": "k", "path": "p", "mode": 256}]},
        },
        {"name": "b", "projected": {"sources": [token]}},
    ]
    _, target = taken(tmp_path, sparkapplications=[application("a", volumes=volumes)])
    (kept,) = folder.stored(target, "SparkApplication")
    assert kept["spec"]["volumes"] == volumes


def test_helms_record_of_flux_lies_beside_the_helmrelease(tmp_path: Path) -> None:
    controller = deployment("controller")
    controller["metadata"]["labels"]["helm.toolkit.fluxcd.io/namespace"] = "flux-system"
    secret = helm_secret()
    secret["metadata"]["namespace"] = "flux-system"
    asked = {f"/api/v1/namespaces/flux-system/secrets/{secret['metadata']['name']}": secret}
    listed = {"deployments": [controller], "secrets": []}
    record = {"/api/v1/namespaces/flux-system/secrets": (200, json.dumps({"items": [secret], "metadata": {}}))}
    site, _ = taken(tmp_path, single=asked, answers=record, **listed)
    assert [(it.name, it.namespace) for it in site.releases] == [("my-op", "spark")]
    assert "flux-system" not in [it.name for it in site.namespaces]


def test_values_that_a_gitops_object_has_elsewhere_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of such a site the image says what its values have: the chart of 2.2.1 has another one."""
    helm = {"valueFiles": ["$values/prod.yaml"]}
    source = {
        "repoURL": "https://charts.example.com",
        "chart": "spark-operator",
        "targetRevision": "2.2.1",
        "helm": helm,
    }
    argo = {"metadata": {"name": "op", "namespace": "argocd"}, "spec": {"source": source}}
    _, target = taken(tmp_path, applications=[argo], secrets=[])
    capsys.readouterr()
    cli.main(["advise", "--site", str(target), "--to", "2.5.2"])
    said = capsys.readouterr().out
    assert "$values/prod.yaml has values, too, and was not read" in said
    assert "remove image.registry and image.repository from the values" in said


def test_of_several_operators_the_release_says_which_is_meant(tmp_path: Path) -> None:
    other = deployment("controller")
    other["metadata"]["namespace"] = "a-first"
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "ghcr.io/kubeflow/spark-operator/controller:2.5.0"
    without = {"/api/v1/namespaces/a-first/secrets": (200, json.dumps({"items": [], "metadata": {}}))}
    _, target = taken(tmp_path, answers=without, deployments=[other, deployment("controller")])
    assert advised.origin(advised.read(target), CATALOGUE) == "2.2.1@docker.io"


def test_tools_that_the_cluster_has_not_are_not_asked_for(tmp_path: Path) -> None:
    """To whoever may not read them, an API server says that they may not be read, also where they are not."""
    forbidden = (403, json.dumps({"kind": "Status", "message": "may not"}))
    served = {"/apis": {"kind": "APIGroupList", "groups": [{"name": "apps"}]}}
    site, _ = taken(tmp_path, single=served, answers={"/apis/argoproj.io/v1alpha1/applications": forbidden})
    assert site.unread == ()


def test_of_several_gitops_objects_the_operators_labels_say_which_is_meant(tmp_path: Path) -> None:
    """Applications of Argo CD that bring jobs have the operator's name in their repository, too."""
    jobs = {"repoURL": "https://git.example.com/spark-operator-jobs", "path": "etl", "targetRevision": "main"}
    chart = {"repoURL": "https://charts.example.com", "chart": "spark-operator", "targetRevision": "2.2.1"}
    both = [
        {"metadata": {"name": name, "namespace": "argocd"}, "spec": {"source": source}}
        for name, source in (("jobs", jobs), ("my-op", chart))
    ]
    _, target = taken(tmp_path, applications=both)
    installer = advised.read(target).installer
    assert installer is not None
    assert installer.name == "my-op"


def test_releases_of_one_name_are_told_apart_by_their_namespaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, target = taken(tmp_path)
    (release,) = site.releases
    both = (release.model_copy(update={"namespace": "a-first"}), release)
    monkeypatch.setattr(folder, "read", lambda _path: site.model_copy(update={"releases": both}))
    with pytest.raises(UsageError, match="several releases of the operator: a-first/my-op, spark/my-op") as refused:
        advised.read(target, "my-op")
    assert refused.value.next_step.endswith("--release-name a-first/my-op")
    assert advised.read(target, "spark/my-op").release == release


def test_of_several_applications_that_bring_it_one_is_chosen(tmp_path: Path) -> None:
    chart = {"repoURL": "https://charts.example.com", "chart": "spark-operator", "targetRevision": "2.2.1"}
    both = [{"metadata": {"name": it, "namespace": "argocd"}, "spec": {"source": chart}} for it in ("my-op", "second")]
    second = deployment("controller")
    second["metadata"]["namespace"] = "spark-2"
    second["metadata"]["labels"] = {**second["metadata"]["labels"], "app.kubernetes.io/instance": "second"}
    _, target = taken(tmp_path, applications=both, secrets=[], deployments=[deployment("controller"), second])
    with pytest.raises(UsageError, match="several releases of the operator: argocd/my-op, argocd/second"):
        advised.read(target)
    with pytest.raises(UsageError, match="has no release 'third' of the operator"):
        advised.read(target, "third")
    made = advised.deployment(advised.read(target, "argocd/second"), None)
    assert (made.tool, made.owner, made.name, made.home) == ("argocd", "second", "second", "spark-2")


def test_of_several_sources_the_chart_is_meant_and_not_its_values(tmp_path: Path) -> None:
    """A step would else write the chart's version as the revision of the repository with the values."""
    chart = {
        "repoURL": "https://kubeflow.github.io/spark-operator",
        "chart": "spark-operator",
        "targetRevision": "2.2.1",
    }
    values = {"repoURL": "https://git.example.com/spark-operator-values", "ref": "values", "targetRevision": "main"}
    argo = {"metadata": {"name": "op", "namespace": "argocd"}, "spec": {"sources": [chart, values]}}
    site, _ = taken(tmp_path, applications=[argo])
    assert [(it.version, it.at) for it in site.installers] == [("2.2.1", "spec/sources/0/targetRevision")]


def _secret(key: str, content: object) -> dict[str, object]:
    return {"data": {key: base64.b64encode(json.dumps(content).encode()).decode()}}


@pytest.mark.parametrize(
    ("secret", "hosts"),
    [
        (_secret(".dockerconfigjson", {"auths": {"quay.io": {}, "ghcr.io": {}}}), ("ghcr.io", "quay.io")),
        (_secret(".dockercfg", {"ghcr.io": {"auth": "x"}}), ("ghcr.io",)),
        (_secret(".dockerconfigjson", {"credHelpers": {"ghcr.io": "x"}}), ()),
        (_secret(".dockerconfigjson", {"auths": ["ghcr.io"]}), ()),
        (_secret(".dockerconfigjson", None), ()),
        ({"data": {".dockerconfigjson": 5}}, ()),
        ({"data": {".dockercfg": "no base64!"}}, ()),
        ({"data": None}, ()),
    ],
)
def test_a_pull_secret_is_for_the_hosts_that_it_names(secret: dict[str, object], hosts: tuple[str, ...]) -> None:
    assert registries_of(secret) == hosts
