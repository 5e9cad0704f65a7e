# SPDX-License-Identifier: Apache-2.0
"""What a driver that failed said last: asked where it failed, and nothing more than a reason."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from path_samples import S, application, driver, look, path
from pod_samples import spark_pod

from harness.checks import expectation
from harness.errors import ApiError, ApiServerAway
from harness.kube import others
from harness.kube.models import Ended
from harness.matrix import catalogue
from harness.stories.moves.scenarios import submissions
from harness.upgrades.last_words import heard, warned
from harness.upgrades.workload_seen import ApplicationSeen, Part, When
from harness.verdicts import Verdict, failed

LOG = b'Exception in thread "main" java.nio.file.AccessDeniedException: /opt/spark/work-dir/a.jar\n\tat a.B.c(B.java)\n'
NEW = application(Part.NEW, look(20, S.FAILED), when=When.AFTER, pods=(driver(exit_status=1),))


class Core:
    """A CoreV1Api with one log, or one error."""

    def __init__(self, error: ApiError | None = None, log: bytes = LOG) -> None:
        self.asked: list[str] = []
        self._log = log
        self._error = error

    def read_namespaced_pod_log(self, pod: str, namespace: str, **_: Any) -> SimpleNamespace:
        self.asked.append(f"{namespace}/{pod}")
        if self._error:
            raise self._error
        return SimpleNamespace(data=self._log)


def test_a_driver_that_failed_says_why() -> None:
    (app,) = heard([NEW], Core())
    assert app.cause == "java.nio.file.AccessDeniedException: /opt/spark/work-dir/a.jar"


def test_of_a_driver_that_could_not_be_started_the_runtime_says_why() -> None:
    pod = driver(exit_status=128)
    ended = Ended(exit_code=128, reason="StartError", message="OCI runtime create failed: unable to freeze")
    pod = replace(pod, containers=tuple(replace(it, ended=ended) for it in pod.containers))
    core = Core()
    (app,) = heard([application(Part.SMALL, look(20, S.FAILED), pods=(pod,))], core)
    assert app.cause == "its driver could not be started: OCI runtime create failed: unable to freeze"
    assert not core.asked


@pytest.mark.parametrize(
    "app",
    [
        application(Part.SMALL, look(20, S.COMPLETED)),
        application(Part.SMALL, look(20, S.RUNNING), pods=(driver(exit_status=None), spark_pod("executor"))),
        application(Part.SMALL, look(20, S.FAILED), pods=()),
        application(Part.SMALL, look(20, S.FAILED), pods=(driver(exit_status=0),)),
    ],
    ids=["completed", "running", "no driver", "the race"],
)
def test_others_are_not_asked(app: ApplicationSeen) -> None:
    core = Core()
    assert heard([app], core) == (app,)
    assert not core.asked


def test_a_driver_that_runs_without_executors_says_who_refused_them() -> None:
    said = 'Message: pods "it-exec-1" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
    mine = application(Part.NEW, look(20, S.RUNNING), when=When.AFTER, pods=(driver(exit_status=None),))
    (app,) = heard([mine], Core(log=f"starts\n{said}\n".encode()))
    assert said in app.outcome
    (found,) = others.judged([failed("no-other-loss", f"it is {app.outcome}")])
    assert found.verdict is Verdict.ERROR
    assert heard([mine], Core(log=b"starts\n")) == heard([mine], Core(ApiServerAway("gone"))) == (mine,)


class Events:
    """A CoreV1Api whose namespaces have one event, or one error."""

    def __init__(self, message: str, error: ApiError | None = None) -> None:
        self.asked: list[str] = []
        self._message = message
        self._error = error

    def list_namespaced_event(self, namespace: str, **_: Any) -> SimpleNamespace:
        self.asked.append(namespace)
        if self._error:
            raise self._error
        event = {"reason": "FailedMount", "type": "Warning", "message": self._message}
        events = [{**event, "involvedObject": {"kind": "Pod", "name": f"driver-{uid}"}} for uid in "12"]
        return SimpleNamespace(data=json.dumps({"metadata": {}, "items": events}).encode())


def waiting(uid: str = "1") -> ApplicationSeen:
    return application(Part.USERS, look(-40, S.SUBMITTED), pods=(driver(uid, exit_status=None, phase="Pending"),))


def test_a_driver_that_waits_says_what_it_lacks_and_its_namespace_is_asked_once() -> None:
    said = 'MountVolume.SetUp failed for volume "job" : configmap "job-code" not found'
    core = Events(said)
    found = warned([waiting(), waiting("2")], core)
    assert all(said in it.drivers[0].warned for it in found)
    assert len(core.asked) == 1


def test_what_passes_by_itself_and_what_cannot_be_asked_is_not_told() -> None:
    mine = (waiting(),)
    assert warned(mine, Events("0/1 nodes are available: 1 Insufficient cpu.")) == mine
    assert warned(mine, Events("", ApiServerAway("gone"))) == mine
    runs = (application(Part.USERS, look(-40, S.RUNNING), pods=(driver(exit_status=None),)),)
    assert warned(runs, Events('secret "x" not found')) == runs


@pytest.mark.parametrize("status", [0, 404, 500])
def test_where_no_log_can_be_had_the_application_is_what_it_was(status: int) -> None:
    (app,) = heard([NEW], Core(ApiError("no", status=status)))
    assert app == NEW


def test_a_new_application_without_a_place_for_its_jar_is_known_under_unknown_users_alone() -> None:
    (app,) = heard([NEW], Core())
    found = next(it for it in submissions.judge(path(app)) if it.check == "no-other-loss")
    assert found.verdict is Verdict.FAILED
    rows = catalogue.load().upgrades.path("upgrade", ("2.4.0", "2.5.2"), "apply", "default").known
    there = [it for it in rows if it.environments == ("*-unknown-users",)]
    assert expectation.judge([found], there, "submissions")[0].verdict is Verdict.BROKEN_AS_KNOWN
    elsewhere = [it for it in rows if not it.environments]
    assert expectation.judge([found], elsewhere, "submissions")[0].verdict is Verdict.FAILED
