# SPDX-License-Identifier: Apache-2.0
"""Pods that somebody else's admission refuses: what becomes of a scenario that waits for them in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from advice_samples import CATALOGUE
from fake_api_server import api_server

from harness.apps import refusals
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.apps.pods import LABEL_ROLE
from harness.apps.trial import trial
from harness.errors import ReleaseError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.kube.interruptions import finding_of
from harness.stories import foreseen
from harness.verdicts import Finding, Verdict, failed
from harness.waiting import Deadline

_POD_SECURITY = (
    'pods "pi-exec-1" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false '
    '(container "spark-kubernetes-executor" must set securityContext.allowPrivilegeEscalation=false)'
)
_LOG = (
    "26/12/01 10:00:00 INFO ExecutorPodsAllocator: Going to request 1 executors from Kubernetes\n"
    "26/12/01 10:00:01 WARN ExecutorPodsSnapshotsStoreImpl: Exception when notifying snapshot subscriber.\n"
    "io.fabric8.kubernetes.client.KubernetesClientException: Failure executing: POST at: "
    f"https://kubernetes.default.svc/api/v1/namespaces/it/pods. Message: {_POD_SECURITY}.\n"
)
_DRIVER = {
    "metadata": {"name": "pi-driver", "namespace": "it", "uid": "d", "labels": {LABEL_ROLE: "driver"}},
    "spec": {"nodeName": "n", "containers": [{"name": "spark-kubernetes-driver", "image": "spark"}]},
    "status": {"phase": "Running"},
}


def _waits_in_vain(folder: Path, log: str) -> Finding:
    """What a scenario comes to whose driver runs and says this, while no executor comes."""

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        raise WaitTimeout("the end of SparkApplication pi did not come within 1 s")
        yield

    objects: dict[str, list[Any]] = {"pods": [_DRIVER]}
    with api_server(folder, objects, answers={"log": (200, log)}) as cluster:
        # The proof that nothing is left would wait for the pod.
        return trial(_context(cluster, folder, lambda _: objects.clear()), steps)[0]


def _context(cluster: Cluster, folder: Path, before_deletion: Callable[[Sequence[Finding]], None]) -> ScenarioContext:
    return ScenarioContext(
        cluster=cluster,
        release=CATALOGUE.release("2.5.2"),
        chart=cast(Any, None),
        namespace="it",
        operator_namespace="operator",
        helm=Path("helm"),
        folder=folder,
        spark_images={},
        deadline=Deadline(seconds=5),
        before_deletion=before_deletion,
    )


def _judged(finding: Finding, *, restricted: bool = False) -> Finding:
    """The same as a cell of an environment is told it."""
    environment = SimpleNamespace(restricted=restricted)
    path = SimpleNamespace(known=(), releases=("2.5.2",))
    cell = SimpleNamespace(environment=environment, path=path, scenario=SimpleNamespace(base="spark-pi"))
    run = SimpleNamespace(values=None, helm=None)
    on = SimpleNamespace(releases={}, before=SimpleNamespace(also=()))
    return foreseen.judged(cast(Any, run), cast(Any, on), cast(Any, cell), [finding])[0]


def test_executors_that_pod_security_refuses_are_the_clusters_and_not_the_releases(tmp_path: Path) -> None:
    found = _judged(_waits_in_vain(tmp_path, _LOG))
    assert found.verdict is Verdict.ERROR
    assert found.message.startswith("the Pod Security Standard restricted:latest of this cluster stood in the way")
    assert "pod-security.kubernetes.io/enforce" in found.message
    assert found.evidence["refused"] == [_LOG.splitlines()[2]]


def test_where_the_environment_promises_pod_security_they_are_the_releases(tmp_path: Path) -> None:
    found = _judged(_waits_in_vain(tmp_path, _LOG), restricted=True)
    assert found.verdict is Verdict.FAILED


def test_executors_that_nobody_refused_are_the_releases(tmp_path: Path) -> None:
    found = _judged(_waits_in_vain(tmp_path, _LOG.partition("26/12/01 10:00:01")[0]))
    assert found.verdict is Verdict.FAILED
    assert "refused" not in found.evidence


@pytest.mark.parametrize(
    ("where", "is_mine"),
    [
        ('"SparkConnect": {"name":"x","namespace":"it"}', True),
        ("it/pi", True),
        ('"namespace":"it-2"', False),
        ("its pods", False),
        ("pods of spark-it", False),
    ],
)
def test_of_the_operators_log_what_names_the_namespace_counts(tmp_path: Path, where: str, is_mine: bool) -> None:
    log = f'ERROR reconciler failed {{{where}, "error": "{_POD_SECURITY.replace(chr(34), chr(92) + chr(34))}"}}'
    objects: dict[str, list[Any]] = {"pods": [{**_DRIVER, "metadata": {"name": "operator", "namespace": "operator"}}]}
    with api_server(tmp_path, objects, answers={"log": (200, log)}) as cluster:
        core = Objects(cluster.api_client(), "it").core
        assert bool(refusals.of_servers(core, "it", "operator")) is is_mine


@pytest.mark.parametrize(("status", "verdict"), [(403, Verdict.FAILED), (0, Verdict.ERROR)], ids=["rights", "away"])
def test_logs_that_cannot_be_read_change_nothing(tmp_path: Path, status: int, verdict: Verdict) -> None:
    """A right that a guest lacks says nothing; an API server that breaks off does."""

    def steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
        raise WaitTimeout("the end of SparkApplication pi did not come within 1 s")
        yield

    objects: dict[str, list[Any]] = {"pods": [_DRIVER]}
    answer = (status, '{"message": "pods is forbidden: User x cannot get pods/log"}') if status else (200, "", 10)
    with api_server(tmp_path, objects, answers={"log": answer}) as cluster:
        found = trial(_context(cluster, tmp_path, lambda _: objects.clear()), steps)[0]
    assert found.verdict is verdict


_FAILED_CREATE = (
    'the pods of release 2.5.2 are refused, so that none is there: Error creating: pods "c-" is forbidden: '
)
_SUBMISSION = 'failed to run spark-submit for SparkApplication it/pi: pods "pi-driver" is forbidden: '
_CONSTRAINT = (
    'unable to validate against any security context constraint: [provider "anyuid": Forbidden: not usable by user or '
    "serviceaccount, provider restricted-v2: .containers[0].runAsUser: Invalid value: 185: must be in the ranges: []]"
)


@pytest.mark.parametrize("begins", [_FAILED_CREATE, _SUBMISSION], ids=["operator", "driver"])
@pytest.mark.parametrize(
    ("said", "who"),
    [
        (_POD_SECURITY.partition("forbidden: ")[2], "the Pod Security Standard restricted:latest"),
        (_CONSTRAINT, "the SecurityContextConstraints restricted-v2"),
        ("exceeded quota: team, requested: pods=1, used: pods=8, limited: pods=8", "the ResourceQuota team"),
        ("ValidatingAdmissionPolicy 'x' with binding 'y' denied request: no", "the ValidatingAdmissionPolicy x"),
        (
            'admission webhook "validation.gatekeeper.sh" denied the request: [no-root] no',
            "gatekeeper.sh (policy no-root)",
        ),
    ],
    ids=["pod-security", "scc", "quota", "policy", "gatekeeper"],
)
def test_who_refused_the_pods_of_operator_and_driver_is_named(begins: str, said: str, who: str) -> None:
    raised = finding_of("installed", ReleaseError(f"{begins}{said}"), {ReleaseError: failed})
    found = _judged(raised)
    assert (found.verdict, who in found.message.partition(" of this cluster")[0]) == (Verdict.ERROR, True)


def test_the_operators_own_webhook_remains_the_releases_fault() -> None:
    said = 'admission webhook "mutate-pod.sparkoperator.k8s.io" denied the request: no such volume'
    assert _judged(failed("states", f"{_SUBMISSION}{said}")).verdict is Verdict.FAILED
