# SPDX-License-Identifier: Apache-2.0
"""What a workload does by itself. The cluster is a stand-in; whole workloads run on real ones (tests/e2e)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes import client

from harness.apps import samples
from harness.apps.objects import Objects, Resource
from harness.errors import ApiError
from harness.matrix import catalogue
from harness.upgrades import clients, room
from harness.upgrades.quiet import Quiet
from harness.upgrades.submitter import Submitter
from harness.upgrades.user_apps import SCHEDULES
from harness.upgrades.workload import Workload
from harness.upgrades.workload_context import WorkloadContext
from harness.upgrades.workload_seen import Part, When
from harness.waiting import Deadline

CATALOGUE = catalogue.load()
RELEASE = CATALOGUE.release("2.5.2")


def watching(folder: Path, *watched: str, longer: float = 0.0) -> Workload:
    return Workload(
        WorkloadContext(
            cluster=cast(
                Any, SimpleNamespace(api_client=client.ApiClient, environment=SimpleNamespace(restricted=False))
            ),
            releases=(RELEASE, RELEASE),
            moves=1,
            crds="apply",
            watched=watched,
            helm=folder / "helm",
            folder=folder,
            spark_images={},
            deadline=Deadline(seconds=20),
            longer=longer,
        )
    )


@pytest.fixture
def workload(tmp_path: Path) -> Iterator[Workload]:
    made = watching(tmp_path, "standing", "schedules", "submissions")
    yield made
    made.close()


def schedule(workload: Workload, *past: str) -> None:
    """Let the schedule be there, with these runs in its history."""
    raw: dict[str, Any] = {
        "kind": "ScheduledSparkApplication",
        "metadata": {"namespace": SCHEDULES, "name": "small-scheduled", "uid": "uid-1"},
        "spec": {"schedule": "@every 30s"},
    }
    if workload._creations.of("uid-1") is None:
        workload._creations._accept(SCHEDULES, raw, Part.RUN, When.BEFORE, datetime.now(UTC))
    metadata = {**raw["metadata"], "creationTimestamp": "2026-01-01T12:00:00Z"}
    workload._recorder._schedule(
        "MODIFIED", {**raw, "metadata": metadata, "status": {"pastSuccessfulRunNames": list(past)}}
    )


@pytest.fixture
def patched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []

    def patch(objects: Objects, resource: Resource, name: str, change: Any) -> None:
        found.append((objects.namespace, name, change))

    monkeypatch.setattr(Objects, "patch", patch)
    return found


@pytest.mark.parametrize(("longer", "waits"), [(0.0, False), (45.0, True)])
def test_what_waits_for_a_late_leader_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, longer: float, waits: bool
) -> None:
    made = watching(tmp_path, longer=longer)
    monkeypatch.setattr(Quiet, "seconds", lambda _: 60.0)
    looks = itertools.count()
    made._wait({"an application to end": lambda: next(looks) < 0}, 0.3)
    assert (next(looks) > 1) is waits
    made.close()


def test_the_retry_is_due_after_the_move_on_slow_hosts_too(workload: Workload, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[Any] = []
    asked: Future[None] = Future()
    monkeypatch.setattr(workload._recorder, "start", lambda **_: None)
    monkeypatch.setattr(workload._states, "seconds_of", lambda name: 34.4 if name == "completed" else 0.0)
    monkeypatch.setattr(workload, "_begin_standing", lambda beside: asked)
    monkeypatch.setattr(workload, "_suspend", lambda: None)
    monkeypatch.setattr(workload, "_tell_retry", lambda: steps.append("told to succeed"))
    monkeypatch.setattr(workload, "_result", lambda future: steps.append("Connect answered"))
    monkeypatch.setattr(workload, "_wait", lambda conditions, seconds: steps.append(list(conditions)[-1]))
    monkeypatch.setattr(workload, "_create", lambda space, sample, *given, **_: steps.append((sample, *given[2:])))
    workload.begin()
    # 45 s after its submission on a host that takes no time for it; this one took 34 s for another application.
    assert steps[-5:] == [
        "the long application's executor to run",
        "Connect answered",
        ("late-retry", {"lateRetrySeconds": 79}),
        "the retrying application to wait",
        "told to succeed",
    ]


def test_a_schedule_fires_until_it_has_a_history(workload: Workload, patched: list[Any]) -> None:
    schedule(workload)
    beside = threading.Thread(target=workload._fire_until, args=("small-scheduled", workload._states.has_history))
    beside.start()
    beside.join(0.3)
    assert beside.is_alive()
    assert patched == []

    schedule(workload, "small-scheduled-1")
    beside.join(10)
    assert patched == [(SCHEDULES, "small-scheduled", {"spec": {"suspend": True}})]
    seen = workload._tell([])
    assert [it.watched_until for it in seen.schedules] == [workload._notes.suspended["small-scheduled"]]
    assert (seen.waited, seen.trouble) == ((), ())


def test_a_schedule_that_was_refused_is_not_waited_for(workload: Workload, patched: list[Any]) -> None:
    workload._fire_until("small-scheduled", workload._states.has_history)
    assert patched == []


def test_a_schedule_that_cannot_be_suspended_is_judged_to_the_end(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def patch(*of: Any) -> None:
        raise ApiError("the API server answered 500", status=500, reason="Internal Server Error")

    monkeypatch.setattr(Objects, "patch", patch)
    schedule(workload, "small-scheduled-1")
    workload._fire_until("small-scheduled", workload._states.has_history)
    seen = workload._tell([])
    assert "the schedule small-scheduled could not be suspended: 500" in seen.trouble[0]
    assert seen.schedules[0].watched_until == seen.watched_until


@pytest.mark.parametrize(
    ("watched", "before", "after"),
    [
        ((), {"completed"}, {"new-small"}),
        (("schedules",), {"completed", "small-scheduled"}, {"new-small", "new-scheduled"}),
        (("standing",), {"completed", "spark-connect", "long", "late-retry", "suspended"}, {"new-small"}),
        (("submissions",), {"completed"}, {"new-pi", "new-connect"}),
        (
            ("standing", "schedules", "submissions"),
            {"completed", "spark-connect", "long", "late-retry", "suspended", "small-scheduled"},
            {"new-pi", "new-connect", "new-scheduled"},
        ),
    ],
)
def test_only_what_somebody_watches_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: tuple[str, ...], before: set[str], after: set[str]
) -> None:
    made = watching(tmp_path, *watched)
    created: dict[When, set[str]] = {When.BEFORE: set(), When.AFTER: set()}
    waited: list[str] = []

    def create(namespace: str, sample: str, part: Part, when: When, values: Any = None, *, name: str = "") -> None:
        created[when].add(name or sample)

    monkeypatch.setattr(made, "_create", create)
    monkeypatch.setattr(made, "_suspend", lambda: created[When.BEFORE].add("suspended"))
    monkeypatch.setattr(made, "_wait", lambda conditions, seconds: waited.extend(conditions))
    for nothing in ("_tell_retry", "_let_go", "_read_output"):
        monkeypatch.setattr(made, nothing, lambda: None)
    for nothing in ("_ask_connect", "_fire_until"):
        monkeypatch.setattr(made, nothing, lambda *of: None)
    monkeypatch.setattr(made._recorder, "start", lambda *, connect: None)
    monkeypatch.setattr(made._recorder, "watch_connects", lambda: None)
    made.begin()
    made.finish([], RELEASE)
    made.close()
    assert created == {When.BEFORE: before, When.AFTER: after}
    assert ("the first scheduled run" in waited) == ("schedules" in watched)
    assert ("the retrying application to wait" in waited) == ("standing" in watched)


def test_a_users_applications_come_when_sparkconnect_has_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once they take the processors of a small machine, and the client gives up."""
    made = watching(tmp_path, "submissions")
    made._ctx = replace(made._ctx, user_apps=cast(Any, ("an application",)))
    order: list[str] = []
    begun = threading.Event()

    def ask(*of: Any) -> None:
        begun.wait(0.5)
        order.append("answered")

    def submit(when: When, patience: float) -> None:
        begun.set()
        order.append("submitted")

    monkeypatch.setattr(made, "_servers_after", lambda leads: [("submissions", "new-connect", When.AFTER)])
    monkeypatch.setattr(made, "_ask_connect", ask)
    monkeypatch.setattr(made._users, "submit", submit)
    for nothing in ("_create", "_wait"):
        monkeypatch.setattr(made, nothing, lambda *of, **more: None)
    for nothing in ("_let_go", "_read_output"):
        monkeypatch.setattr(made, nothing, lambda: None)
    made.finish([], RELEASE)
    made.close()

    assert order == ["answered", "submitted"]


def test_a_client_of_connect_may_take_as_long_as_two_slow_processors_need(
    workload: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    """128 s, measured, beside the applications that the new leader submits at once; giving up costs a second try."""
    given: list[float] = []
    monkeypatch.setattr(workload._states, "server", lambda name: {"server": {"serviceName": f"{name}-server"}})
    monkeypatch.setattr(clients, "query", lambda *of, timeout: given.append(timeout))
    workload._ask_connect("submissions", "new-connect", When.AFTER)
    assert given[0] > 1.5 * 128


@pytest.mark.parametrize("watched", [(), ("standing",), ("submissions",)])
def test_small_applications_come_where_somebody_watches_submissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, watched: tuple[str, ...]
) -> None:
    made = watching(tmp_path, *watched)
    begun: list[str] = []
    monkeypatch.setattr(samples, "render", lambda rendering, name: [])
    monkeypatch.setattr(Submitter, "start", lambda self: begun.append("submitter"))
    made.during()
    made.close()
    assert begun == ["submitter"] * ("submissions" in watched)


@pytest.mark.parametrize(("processors", "most"), [(1, 2), (2, 2), (3, 3), (16, 3)])
def test_a_new_leader_finds_no_more_waiting_than_the_host_bears(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: float, most: int
) -> None:
    monkeypatch.setattr(room, "usable", lambda: processors)
    monkeypatch.setattr(samples, "render", lambda rendering, name: [])
    monkeypatch.setattr(Submitter, "start", lambda self: None)
    made = watching(tmp_path, "submissions")
    made.during()
    made.close()
    assert made._submitter is not None
    assert made._submitter._most == most


@pytest.mark.parametrize(
    ("leads", "asked"), [("2.5.2", ["spark-connect"]), ("2.3.0", ["spark-connect"]), ("2.1.1", [])]
)
def test_a_connect_server_is_asked_for_work_only_under_a_release_that_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leads: str, asked: list[str]
) -> None:
    made = watching(tmp_path, "submissions")
    created: list[str] = []
    waited: list[str] = []
    queried: list[str] = []
    monkeypatch.setattr(made, "_create", lambda namespace, sample, *of, **more: created.append(sample))
    monkeypatch.setattr(made, "_wait", lambda conditions, seconds: waited.extend(conditions))
    monkeypatch.setattr(made, "_ask_connect", lambda *of: queried.append("spark-connect"))
    for nothing in ("_let_go", "_read_output"):
        monkeypatch.setattr(made, nothing, lambda: None)
    monkeypatch.setattr(made._recorder, "watch_connects", lambda: None)
    seen = made.finish([], CATALOGUE.release(leads))
    made.close()
    assert "spark-connect" in created
    assert queried == asked
    assert ("the new SparkConnect to be Ready" in waited) == bool(asked)
    assert (seen.absent.get("new-connect") == "2.1.1 leads, which has no SparkConnect") == (not asked)


def application(workload: Workload, name: str, state: str, **labels: str) -> None:
    """Let an application be accepted, unless it is a run of a schedule, and be seen in a state."""
    raw: dict[str, Any] = {
        "kind": "SparkApplication",
        "metadata": {"namespace": SCHEDULES, "name": name, "uid": f"uid-{name}", "labels": labels},
    }
    if not labels:
        workload._creations._accept(SCHEDULES, raw, Part.SMALL, When.DURING, datetime.now(UTC))
    metadata = {**raw["metadata"], "creationTimestamp": "2026-01-01T12:00:00Z"}
    status = {"applicationState": {"state": state}} if state else {}
    workload._recorder._application("MODIFIED", {**raw, "metadata": metadata, "status": status})


def test_what_is_being_submitted_or_started_keeps_a_processor_busy(workload: Workload) -> None:
    for number, state in enumerate(("", "SUBMITTED", "RUNNING", "COMPLETED", "FAILED", "SUSPENDED", "PENDING_RERUN")):
        application(workload, f"small-{number}", state)
    assert workload._states.starting() == 2
    application(workload, "small-0", "RUNNING")
    assert workload._states.starting() == 1
    application(workload, "run-1", "", **{"sparkoperator.k8s.io/scheduled-app-name": "small-scheduled"})
    assert workload._states.starting() == 2, "a run of a schedule is one of ours, too"
