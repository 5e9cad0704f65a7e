# SPDX-License-Identifier: Apache-2.0
"""Argo CD beside a cluster: what it is given, and how its words are read."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.kube.cluster import Cluster
from harness.matrix import catalogue
from harness.releases import charts
from harness.releases.argocd import application, objects, programs
from harness.releases.argocd.objects import SyncMode

MOMENT = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
TOO_LONG = "metadata.annotations: Too long: may not be more than 262144 bytes"


def at(seconds: int) -> str:
    return (MOMENT + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def status(**parts: Any) -> dict[str, Any]:
    """An Application that was synced to 2.4.0 before MOMENT."""
    operation = {
        "phase": "Succeeded",
        "message": "successfully synced (all tasks run)",
        "startedAt": at(-60),
        "syncResult": {"revision": "2.4.0", "resources": []},
    }
    source = {"source": {"targetRevision": "2.4.0"}}
    found = {
        "sync": {"status": "Synced", "revision": "2.4.0", "comparedTo": source},
        "health": {"status": "Healthy"},
        "reconciledAt": at(-50),
        "operationState": operation,
    }
    return {"status": {**found, **parts}}


def failed(phase: str) -> dict[str, Any]:
    crd = {"kind": "CustomResourceDefinition", "name": "sparkapplications.sparkoperator.k8s.io"}
    return {
        "phase": phase,
        "message": f"one or more objects failed to apply, reason: {TOO_LONG}",
        "startedAt": at(1),
        "syncResult": {
            "revision": "2.5.2",
            "resources": [{**crd, "status": "SyncFailed", "message": TOO_LONG}, {"kind": "Service", "name": "x"}],
        },
    }


def chart(folder: Path, version: str) -> charts.Chart:
    (folder / "spark-operator").mkdir(parents=True)
    (folder / "spark-operator" / "Chart.yaml").write_text(
        f"apiVersion: v2\nname: spark-operator\nversion: {version}\nappVersion: {version}\n"
    )
    return charts.from_path(folder / "spark-operator")


def test_the_words_are_those_of_argo_cd() -> None:
    said = application.said(status(operationState=failed("Failed"), sync={"status": "OutOfSync", "revision": "2.5.2"}))

    assert not said.content
    assert said.operation == "2.5.2"
    assert said.failed == (f"CustomResourceDefinition/sparkapplications.sparkoperator.k8s.io: {TOO_LONG}",)
    assert str(said).startswith("OutOfSync, Healthy; sync of 2.5.2 Failed: one or more objects failed to apply")


def test_a_sync_of_before_is_not_taken_for_the_one_that_was_asked_for() -> None:
    assert not application._over(status(), "2.5.2", MOMENT)
    assert not application._over(status(reconciledAt=at(2)), "2.5.2", MOMENT)


@pytest.mark.parametrize(
    ("phase", "over"), [("Running", False), ("Succeeded", True), ("Failed", True), ("Error", True)]
)
def test_a_sync_is_over_when_argo_cd_gives_up_or_is_done(phase: str, over: bool) -> None:
    assert application._over(status(operationState=failed(phase)), "2.5.2", MOMENT) is over


def test_another_sync_that_is_about_to_begin_is_waited_for() -> None:
    assert not application._over({**status(operationState=failed("Failed")), "operation": {}}, "2.5.2", MOMENT)


def test_nothing_to_do_is_an_end_too() -> None:
    source = {"source": {"targetRevision": "2.5.2"}}
    there = {"status": "Synced", "revision": "2.5.2", "comparedTo": source}

    assert application._over(status(sync=there, reconciledAt=at(1)), "2.5.2", MOMENT)
    assert not application._over(status(sync=there, reconciledAt=at(-1)), "2.5.2", MOMENT)


def test_a_chart_that_does_not_render_is_told_and_not_waited_for() -> None:
    broken = status(conditions=[{"type": "ComparisonError", "message": "nil pointer"}], reconciledAt=at(1))

    assert application._over(broken, "2.5.2", MOMENT)
    assert application.said(broken).conditions == ("ComparisonError: nil pointer",)


def test_hooks_are_told_with_their_phase() -> None:
    hook = {"kind": "Job", "name": "hook", "hookType": "PreSync", "syncPhase": "PreSync", "hookPhase": "Succeeded"}
    operation = {"phase": "Succeeded", "syncResult": {"revision": "2.5.2", "resources": [hook]}}

    assert application.said(status(operationState=operation)).hooks == ("PreSync Job/hook: Succeeded",)


@pytest.mark.parametrize(
    ("mode", "options"), [("client", []), ("server-side", ["ServerSideApply=true"]), ("replace", ["Replace=true"])]
)
def test_a_release_is_one_application_that_heals_itself(mode: SyncMode, options: list[str]) -> None:
    spec = objects.application("op", "ns", "http://x", "spark-operator", "2.5.2", {"a": 1}, mode)["spec"]

    assert spec["syncPolicy"]["automated"] == {"prune": True, "selfHeal": True}
    assert spec["syncPolicy"]["syncOptions"] == options
    assert spec["source"]["helm"] == {"releaseName": "op", "valuesObject": {"a": 1}}


def test_the_secret_of_argo_cd_gets_its_key_and_the_namespace() -> None:
    made = objects.settings({"kind": "Secret", "metadata": {"name": "argocd-secret"}})

    assert made["metadata"]["namespace"] == "argocd"
    assert len(made["stringData"]["server.secretkey"]) > 20


def test_charts_are_offered_as_a_helm_repository(tmp_path: Path) -> None:
    folder = tmp_path / "offered"

    programs.write_repository(folder, [chart(tmp_path / "a", "2.4.0"), chart(tmp_path / "b", "2.5.2")])

    rows: list[Mapping[str, Any]] = yaml.safe_load((folder / "index.yaml").read_text())["entries"]["spark-operator"]
    assert [(it["version"], it["urls"]) for it in rows] == [
        ("2.4.0", ["spark-operator-2.4.0.tgz"]),
        ("2.5.2", ["spark-operator-2.5.2.tgz"]),
    ]
    with tarfile.open(folder / "spark-operator-2.5.2.tgz") as packed:
        assert "spark-operator/Chart.yaml" in packed.getnames()


def test_a_container_beside_the_node_checks_the_certificate_for_the_name_that_it_has(tmp_path: Path) -> None:
    outside = {"clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:34567", "x": "y"}}]}
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(outside))
    environment = catalogue.load().environment("kind-1.34")
    cluster = Cluster(name="soh", environment=environment, kubeconfig=tmp_path / "kubeconfig", nodes=("soh-node",))

    (entry,) = yaml.safe_load(programs.inside(cluster))["clusters"]

    assert entry["cluster"] == {"server": "https://soh-node:6443", "tls-server-name": "127.0.0.1", "x": "y"}


@pytest.mark.parametrize(
    ("phase", "version", "again"),
    [("Failed", "2.5.2", True), ("Failed", "2.5.1", False), ("Succeeded", "2.5.2", False)],
)
def test_what_has_failed_at_a_version_is_not_tried_again_unasked(phase: str, version: str, again: bool) -> None:
    assert application.said(status(operationState=failed(phase))).has_failed_at(version) is again


def test_deployments_that_came_although_the_sync_failed_are_told() -> None:
    operation = failed("Failed")
    assert not application.said(status(operationState=operation)).brought_deployments

    operation["syncResult"]["resources"].append({"kind": "Deployment", "name": "c", "status": "Synced"})
    assert application.said(status(operationState=operation)).brought_deployments

    operation["syncResult"]["resources"].append({"kind": "Deployment", "name": "w", "status": "SyncFailed"})
    assert not application.said(status(operationState=operation)).brought_deployments
