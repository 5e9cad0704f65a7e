# SPDX-License-Identifier: Apache-2.0
"""A user's applications on a path: submitted before and after, and kept apart from our own.

The API server is a stand-in that accepts what it is asked to create; the rest are the real parts.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from user_samples import CONFIG_MAP, PI, SCHEDULE, apps_of

from harness.apps import users
from harness.apps.objects import Refused
from harness.apps.places import NAMESPACE, places
from harness.apps.pods import LABEL_APPLICATION, LABEL_ROLE
from harness.stories.user_apps import story
from harness.upgrades import assembling
from harness.upgrades.creations import Creations
from harness.upgrades.recorder import Recorder
from harness.upgrades.user_apps import NAMESPACES, Users, of_users, own
from harness.upgrades.workload_seen import Part, When
from harness.waiting import until


class Server:
    """Accepts everything but the names that it refuses."""

    namespace = NAMESPACE

    def __init__(self, *refused: str) -> None:
        self._refused = refused
        self.made: list[dict[str, Any]] = []

    def create(self, manifests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        (it,) = manifests
        if it["metadata"]["name"] in self._refused:
            raise Refused("sparkConf key is not allowed")
        self.made.append(it)
        if it["kind"] == "ConfigMap":
            return []
        return [{**it, "metadata": {**it["metadata"], "uid": f"uid-{len(self.made)}"}}]

    def event(self, recorder: Recorder, name: str, state: str, **spec: Any) -> None:
        """Let the recorder see an application of this name."""
        it = next(it for it in self.made if it["metadata"]["name"] == name)
        number = self.made.index(it) + 1
        metadata = {**it["metadata"], "uid": f"uid-{number}", "creationTimestamp": "2026-01-01T12:00:00Z"}
        raw = {**it, "metadata": metadata, "status": {"applicationState": {"state": state}}}
        recorder._application("MODIFIED", {**raw, "spec": {**it["spec"], **spec}})


@pytest.fixture
def given(tmp_path: Path) -> users.UserManifests:
    etl = PI.replace("  mode:", "  sparkConfigMap: settings\n  mode:")
    return apps_of(tmp_path, a=etl, b=f"{CONFIG_MAP}---\n{SCHEDULE}")


def made_of(given: users.UserManifests, server: Server | None) -> tuple[Users, Creations, Recorder]:
    creations, recorder = Creations(), Recorder(cast(Any, None), {NAMESPACE})
    objects: Any = {NAMESPACE: server}
    return Users(given, objects, creations, recorder), creations, recorder


def test_each_is_submitted_before_and_after_under_two_names(given: users.UserManifests) -> None:
    server = Server()
    mine, creations, _ = made_of(given, server)
    mine.submit(When.BEFORE)
    mine.submit(When.AFTER)
    names = [(it["kind"], it["metadata"]["name"]) for it in server.made]
    assert names == [
        ("ConfigMap", "settings"),
        ("SparkApplication", "etl"),
        ("ScheduledSparkApplication", "nightly"),
        ("SparkApplication", "etl-after"),
        ("ScheduledSparkApplication", "nightly-after"),
    ]
    assert {it["metadata"]["namespace"] for it in server.made} == {NAMESPACE}
    assert {(it.part, it.when) for it in creations.created()} == {
        (Part.USERS, When.BEFORE),
        (Part.USERS, When.AFTER),
    }


def test_what_was_accepted_is_waited_for_until_it_is_under_way(given: users.UserManifests) -> None:
    server = Server("nightly")
    mine, _, recorder = made_of(given, server)
    mine.submit(When.BEFORE)
    ((what, holds),) = mine.under_way(When.BEFORE).items()
    assert what == "the user's SparkApplication etl to be under way"
    assert not holds()
    server.event(recorder, "etl", "SUBMITTED")
    assert not holds()
    server.event(recorder, "etl", "RUNNING")
    assert holds()
    assert mine.under_way(When.AFTER) == {}


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.upgrades.user_apps.at_once", lambda: 2)


def test_no_more_than_two_are_started_at_a_time(tmp_path: Path) -> None:
    given = apps_of(tmp_path, **{name: PI.replace("name: etl", f"name: {name}") for name in "abcd"})
    server = Server()
    mine, _, recorder = made_of(given, server)
    with ThreadPoolExecutor(1) as pool:
        submitting = pool.submit(mine.submit, When.BEFORE, 60.0)
        for number, name in enumerate("ab", 2):
            until(lambda: len(server.made), number.__eq__, what=f"{number} of them", timeout=10)
            assert not wait([submitting], timeout=0.3).done
            assert len(server.made) == number
            server.event(recorder, name, "RUNNING")
        submitting.result(timeout=10)
    assert [it["metadata"]["name"] for it in server.made] == ["a", "b", "c", "d"]


def raw_pod(role: str, application: str, *, age: float = 0.0, started: bool = True) -> dict[str, Any]:
    created = (datetime.now(UTC) - timedelta(seconds=age)).isoformat()
    labels = {LABEL_ROLE: role, LABEL_APPLICATION: application}
    state = {"running": {"startedAt": created}} if started else {"waiting": {"reason": "ContainerCreating"}}
    main = f"spark-kubernetes-{role}"
    return {
        "metadata": {
            "name": f"{application}-{role}",
            "uid": f"{application}-{role}",
            "namespace": NAMESPACE,
            "labels": labels,
            "creationTimestamp": created,
        },
        "spec": {"containers": [{"name": main, "image": "spark"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": main, "state": state}]},
    }


@pytest.mark.parametrize(
    ("executors", "age", "starting"),
    [([], 0.0, True), ([False], 0.0, True), ([True], 0.0, False), ([], 90.0, False)],
    ids=["no executor", "an executor that waits", "an executor", "long ago"],
)
def test_a_driver_starts_until_it_has_an_executor(
    tmp_path: Path, executors: list[bool], age: float, starting: bool
) -> None:
    given = apps_of(tmp_path, **{name: PI.replace("name: etl", f"name: {name}") for name in "abc"})
    server = Server()
    mine, _, recorder = made_of(given, server)
    recorder._pod("ADDED", raw_pod("driver", "a-run-of-a-schedule", age=age))
    for started in executors:
        recorder._pod("ADDED", raw_pod("executor", "a-run-of-a-schedule", started=started))
    mine.submit(When.BEFORE, 0.2)
    assert mine._starting(When.BEFORE) == 3 + starting


def test_those_that_do_not_start_hold_the_others_up_for_a_while_only(tmp_path: Path) -> None:
    given = apps_of(tmp_path, **{name: PI.replace("name: etl", f"name: {name}") for name in "abcdefgh"})
    server = Server()
    mine, _, _ = made_of(given, server)
    began = time.monotonic()
    mine.submit(When.BEFORE, 0.5)
    assert 0.5 <= time.monotonic() - began < 5
    assert len(server.made) == 8


def test_only_an_application_without_an_end_is_not_waited_for(given: users.UserManifests) -> None:
    server = Server()
    mine, _, recorder = made_of(given, server)
    mine.submit(When.BEFORE)
    server.event(recorder, "etl", "RUNNING")
    assert not mine.goes_on(recorder.applications()[0])
    server.event(recorder, "etl", "RUNNING", restartPolicy={"type": "Always"})
    assert mine.goes_on(recorder.applications()[0])


def test_they_are_told_apart_from_our_own(given: users.UserManifests) -> None:
    server = Server("nightly")
    mine, creations, recorder = made_of(given, server)
    mine.submit(When.BEFORE)
    server.event(recorder, "etl", "COMPLETED")
    moment = creations.created()[0].at
    seen = assembling.applications(recorder, creations, moved=(moment, moment), output={})
    found = mine.seen(seen, (), (), creations.refused())
    assert found is not None
    assert [it.name for it in found.given] == ["etl", "nightly"]
    assert [(it.name, it.part) for it in found.applications] == [("etl", Part.USERS)]
    assert [it.name for it in found.refused] == ["nightly"]
    assert own(seen) == ()


def test_a_schedule_of_ours_is_judged_until_it_is_suspended_and_a_users_of_that_name_until_the_end() -> None:
    recorder, creations, end = Recorder(cast(Any, None), {"schedules", NAMESPACE}), Creations(), datetime.now(UTC)
    spec = {"schedule": "@every 30s"}
    for number, (namespace, part) in enumerate((("schedules", Part.RUN), (NAMESPACE, Part.USERS))):
        raw: dict[str, Any] = {
            "kind": "ScheduledSparkApplication",
            "metadata": {"namespace": namespace, "name": "nightly", "uid": f"uid-{number}"},
            "spec": spec,
        }
        creations._accept(namespace, raw, part, When.BEFORE, end)
        metadata = {**raw["metadata"], "creationTimestamp": "2026-01-01T12:00:00Z"}
        recorder._schedule("ADDED", {**raw, "metadata": metadata, "status": {}})
    suspended = end - timedelta(seconds=40)
    found = assembling.schedules(recorder, creations, (), until=end, suspended={"nightly": suspended})
    assert {it.namespace: it.watched_until for it in found} == {"schedules": suspended, NAMESPACE: end}


def test_without_any_nothing_is_done() -> None:
    mine, creations, _ = made_of((), None)
    mine.submit(When.BEFORE)
    assert creations.created() == ()
    assert mine.under_way(When.BEFORE) == {}
    assert mine.seen((), (), (), ()) is None


def test_one_that_needs_what_nobody_brought_is_not_submitted(tmp_path: Path) -> None:
    given = apps_of(tmp_path, a=PI.replace("  mode:", "  sparkConfigMap: elsewhere\n  mode:"), b=SCHEDULE)
    server = Server()
    mine, _, _ = made_of(given, server)
    mine.submit(When.BEFORE)
    assert [it["metadata"]["name"] for it in server.made] == ["nightly"]
    seen = mine.seen((), (), (), ())
    assert seen is not None
    assert seen.lacks == {"a.yaml:1": "needs the ConfigMap elsewhere, not found in the folder of --apps"}


def test_one_that_stays_is_submitted_in_its_own_namespace_and_still_is_the_users(tmp_path: Path) -> None:
    text = PI.replace("  annotations:\n", "  annotations:\n    spark-operator-harness/namespace: own\n")
    given = apps_of(tmp_path, a=text, b=SCHEDULE)
    assert [(it.namespace, [app.name for app in it.applications]) for it in places(given)] == [
        (NAMESPACE, ["nightly"]),
        ("production", ["etl"]),
    ]
    assert story.scenario(given).further_namespaces == ("production",)
    stays, moves = Server(), Server()
    creations, recorder = Creations(), Recorder(cast(Any, None), {NAMESPACE, "production"})
    Users(given, cast(Any, {NAMESPACE: moves, "production": stays}), creations, recorder).submit(When.BEFORE)
    assert [it["metadata"]["name"] for it in stays.made] == ["etl"]
    assert of_users("production")
    assert not any(map(of_users, NAMESPACES))
