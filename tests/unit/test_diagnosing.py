# SPDX-License-Identifier: Apache-2.0
"""A run and the bench of verdicts diagnose alike: the registry is asked before an image counts as missing.

The surroundings are made up, since a cluster that lacks an image is not to be had here.
"""

from __future__ import annotations

from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_infrastructure import HOST, PULLED_404, PULLED_429, a_pod, an_event, seen, waiting

from harness.bench.site import Site
from harness.checks.infrastructure import Cause
from harness.errors import ApiError, RegistryError
from harness.releases import surroundings
from harness.run import diagnosing
from harness.run.image_supply import FETCHED_CHECK
from harness.verdicts import Finding, Verdict, errored, failed, passed

LATE = failed("in-time", "the driver did not start")


def resources(refusal: RegistryError | None = None) -> Any:
    """Those of a run whose source has every image, or answers with a refusal."""

    def digests(image: str) -> tuple[str, ...]:
        if refusal is not None:
            raise refusal
        return ("sha256:1",)

    mirrors = SimpleNamespace(mirrors={})
    return SimpleNamespace(
        source=SimpleNamespace(kind="upstream", mirrors=mirrors, digests=digests), pulls_left=lambda image: None
    )


@pytest.fixture
def _missing(monkeypatch: pytest.MonkeyPatch) -> None:
    around = seen(a_pod(container=waiting(PULLED_404)), events=(an_event("Failed", PULLED_404),))
    monkeypatch.setattr(surroundings, "look", lambda cluster, namespaces: around)


@pytest.mark.usefixtures("_missing")
def test_an_image_that_its_registry_has_is_not_missing() -> None:
    found = diagnosing.diagnose([LATE], HOST, resources(), cluster=cast(Any, "a cluster"))
    assert found is not None
    assert found.cause is Cause.REGISTRY_FAILING
    assert "says the node; asked from this machine, its registry has it" in found.message


@pytest.mark.usefixtures("_missing")
def test_what_the_registry_says_otherwise_is_told_and_its_404_agrees() -> None:
    busy = RegistryError("docker.io answered 429", status=429)
    found = diagnosing.diagnose([LATE], HOST, resources(busy), cluster=cast(Any, "a cluster"))
    assert found is not None
    assert "docker.io answered 429" in found.message
    absent = RegistryError("docker.io answered 404", status=404)
    assert diagnosing.diagnose([LATE], HOST, resources(absent), cluster=cast(Any, "a cluster")) is None


@pytest.mark.usefixtures("_missing")
def test_what_kept_an_image_from_this_machine_is_no_mystery_of_the_nodes() -> None:
    known = errored(FETCHED_CHECK, "blobs.example.com, to which ghcr.io redirects, could not be reached")

    assert diagnosing.diagnose([known, LATE], HOST, resources(), cluster=cast(Any, "a cluster")) is None


@pytest.mark.usefixtures("_missing")
def test_the_bench_of_verdicts_asks_as_well() -> None:
    site = SimpleNamespace(
        preparation=SimpleNamespace(host_now=lambda: HOST),
        resources=resources(),
        prepared=SimpleNamespace(cluster="a cluster"),
    )
    found: list[Finding] = Site._diagnosed(cast(Any, site), [LATE], ["it"])
    assert [it.verdict for it in found] == [Verdict.ERROR, Verdict.FAILED]
    assert "its registry has it" in found[0].message
    assert Site._diagnosed(cast(Any, site), [passed("in-time", "it did")], ["it"])[0].verdict is Verdict.PASSED


def test_without_a_cluster_the_host_and_what_was_said_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    full = failed("cluster", "no space left on device")
    found = diagnosing.diagnose([full], HOST, resources(), cluster=None)
    assert found is not None
    assert found.cause is Cause.DISK_FULL

    def away(cluster: object, namespaces: object) -> None:
        raise ApiError("connection refused")

    monkeypatch.setattr(surroundings, "look", away)
    lost = diagnosing.diagnose([LATE], HOST, resources(), cluster=cast(Any, "a cluster"))
    assert lost is not None
    assert lost.cause is Cause.NODE_LOST


def test_a_busy_registry_is_told_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    around = seen(events=(an_event("Failed", PULLED_429),))
    monkeypatch.setattr(surroundings, "look", lambda cluster, namespaces: around)
    found = diagnosing.diagnose([LATE], HOST, resources(), cluster=cast(Any, "a cluster"))
    assert found is not None
    assert found.cause is Cause.REGISTRY_BUSY


def test_of_an_older_cluster_only_what_came_since_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a cluster of a user's, `default` has the events of nodes of the last hour, and what its owner does there."""
    made = {"creationTimestamp": "2026-12-01T10:00:00Z"}
    oom = an_event("SystemOOM", "System OOM encountered", "Node/node-1")
    before, after = ({**oom, "lastTimestamp": f"2026-12-01T{hour}:30:00Z"} for hour in ("09", "10"))
    asked: list[tuple[str, str]] = []

    class Core:
        def __init__(self, api: object) -> None:
            pass

        list_node = "nodes"
        list_namespaced_pod = "pods"
        list_namespaced_event = "events"

    def listed(call: str, namespace: str = "", field_selector: str = "") -> list[dict[str, Any]]:
        asked.append((call, f"{namespace} {field_selector}".strip()))
        pod = a_pod()
        there = {"pods": [{**pod, "metadata": {**pod["metadata"], **made}}], "events": [before, after]}
        return there.get(call, []) if call == "pods" or namespace == "default" else []

    monkeypatch.setattr(surroundings, "listed", listed)
    monkeypatch.setattr(surroundings, "client", SimpleNamespace(CoreV1Api=Core))
    found = surroundings.look(cast(Any, SimpleNamespace(api_client=lambda: nullcontext())), ["jobs"])
    assert [it.time for it in found.events] == ["2026-12-01T10:30:00Z"]
    assert ("events", "default involvedObject.kind=Node") in asked


@pytest.mark.parametrize(
    ("status", "cause"), [(401, Cause.LOGIN_REFUSED), (403, Cause.LOGIN_REFUSED), (500, Cause.NODE_LOST)]
)
def test_a_login_that_expired_during_the_run_is_no_lost_node(
    monkeypatch: pytest.MonkeyPatch, status: int, cause: Cause
) -> None:
    def look(cluster: object, namespaces: object) -> None:
        raise ApiError(f"the API server answered {status} to GET /api/v1/nodes", status=status)

    monkeypatch.setattr(surroundings, "look", look)
    found = diagnosing.diagnose([LATE], HOST, resources(), cluster=cast(Any, "a cluster"))
    assert found is not None
    assert found.cause is cause
    assert str(status) in found.finding().message
