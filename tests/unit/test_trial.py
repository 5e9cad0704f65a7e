# SPDX-License-Identifier: Apache-2.0
"""What becomes of a scenario that is interrupted. The cluster is one that does not answer: a closed port."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from pod_samples import spark_pod

from harness.apps import claims
from harness.apps.context import ScenarioContext
from harness.apps.objects import APPLICATION, Objects, Refused
from harness.apps.trial import trial
from harness.errors import ApiError, CommandError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.matrix.release import Release
from harness.verdicts import Finding, Verdict, passed
from harness.waiting import Cancelled, Deadline


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """A kubeconfig of an API server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = tmp_path / "kubeconfig"
    file.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "gone",
                "clusters": [{"name": "gone", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                "users": [{"name": "gone", "user": {}}],
                "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "gone"}}],
            }
        )
    )
    return file


@pytest.fixture
def context(kubeconfig: Path, tmp_path: Path) -> Callable[..., ScenarioContext]:
    """Makes the surroundings of a cell on that cluster."""

    def make(before_deletion: Callable[[Sequence[Finding]], None] = lambda _: None) -> ScenarioContext:
        return ScenarioContext(
            cluster=Cluster(
                name="gone",
                environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
                kubeconfig=kubeconfig,
                nodes=("gone",),
            ),
            release=Release(
                version="2.5.2", date="2026-07-30", registry="ghcr.io", repository="r", spark="4.0.4", crds=("a",)
            ),
            chart=cast(Any, None),
            namespace="spark-pi",
            operator_namespace="spark-operator",
            helm=tmp_path / "helm",
            folder=tmp_path,
            spark_images={},
            deadline=Deadline(seconds=5),
            before_deletion=before_deletion,
        )

    return make


def interrupted_by(error: BaseException) -> Callable[[ScenarioContext, Objects], Iterator[Finding]]:
    """Steps that prove one claim and then are interrupted."""

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        yield passed("first", "held")
        raise error

    return steps


@pytest.mark.parametrize(
    ("error", "check", "verdict"),
    [
        (Refused("the webhook says no"), "accepted", Verdict.FAILED),
        (CommandError("helm template ended with status 1"), "ran-to-its-end", Verdict.ERROR),
        (ApiError("the API server answered 503", status=503), "ran-to-its-end", Verdict.ERROR),
        (WaitTimeout("waited 5 s for Godot"), "in-time", Verdict.ERROR),
    ],
)
def test_an_interruption_becomes_a_finding_and_keeps_those_before(
    context: Callable[..., ScenarioContext], error: Exception, check: str, verdict: Verdict
) -> None:
    first, second, last = trial(context(), interrupted_by(error))
    assert first.check == "first"
    assert (second.check, second.verdict) == (check, verdict)
    assert (last.check, last.verdict) == ("nothing-left", Verdict.ERROR)


def test_an_api_server_that_is_away_is_no_failure_of_the_operator(context: Callable[..., ScenarioContext]) -> None:
    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        objects.all(APPLICATION)
        yield passed("never", "reached")

    found, _ = trial(context(), steps)
    assert found.verdict is Verdict.ERROR
    assert "the API server did not answer GET /apis/sparkoperator" in found.message


def test_evidence_is_asked_for_before_anything_is_deleted(context: Callable[..., ScenarioContext]) -> None:
    seen: list[list[str]] = []
    trial(context(lambda findings: seen.append([finding.check for finding in findings])), interrupted_by(Refused("no")))
    assert seen == [["first", "accepted"]]


def test_nobody_is_asked_for_evidence_when_all_claims_held(context: Callable[..., ScenarioContext]) -> None:
    seen: list[Sequence[Finding]] = []

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        yield passed("first", "held")

    trial(context(seen.append), steps)
    assert seen == []


def test_a_run_that_is_being_ended_goes_no_further(context: Callable[..., ScenarioContext]) -> None:
    with pytest.raises(Cancelled):
        trial(context(), interrupted_by(Cancelled("ctrl-c")))


@pytest.mark.parametrize(("marks", "verdict"), [({"run": "1"}, Verdict.ERROR), ({}, Verdict.FAILED)])
def test_in_a_cluster_of_a_users_a_policy_may_rewrite_the_images_of_pods(
    context: Callable[..., ScenarioContext], marks: dict[str, str], verdict: Verdict
) -> None:
    wanted = "docker.io/apache/spark:4.0.4"
    mirrored = spark_pod(image=f"mirror.example/{wanted}", owners=("SparkApplication/spark-pi",))

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        account = mirrored.service_account
        yield claims.pods([mirrored], image=wanted, service_account=account, executors=0)
        yield claims.pods([mirrored], image="docker.io/apache/spark:3.5.5", service_account=account, executors=0)

    made = context()
    rewritten, another, _ = trial(replace(made, cluster=replace(made.cluster, marks=marks)), steps)
    assert rewritten.verdict is verdict
    assert another.verdict is Verdict.FAILED
