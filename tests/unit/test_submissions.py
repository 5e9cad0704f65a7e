# SPDX-License-Identifier: Apache-2.0
"""What is said of applications that are submitted while an operator is replaced."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from path_samples import S, application, at, driver, look, path

from harness.checks import expectation
from harness.matrix import catalogue
from harness.stories.moves.scenarios import submissions
from harness.upgrades.workload_seen import ApplicationSeen, ConnectLook, ConnectSeen, Part, Query, RefusedCreate, When
from harness.verdicts import Finding, Verdict

SMALL = application(Part.SMALL, look(20, S.COMPLETED), created=6, when=When.DURING)
NEW = application(Part.NEW, look(120, S.COMPLETED), created=110, when=When.AFTER)
STRUCK = replace(SMALL, name="small-2", looks=(look(35, S.FAILED, error="failed: driver pod already exists"),))


def judged(*applications: ApplicationSeen, **seen: Any) -> dict[str, Finding]:
    return {it.check: it for it in submissions.judge(path(*applications, **seen))}


def refused(when: When) -> RefusedCreate:
    return RefusedCreate(
        at=at(4), namespace="it", kind="SparkApplication", name="x", part=Part.SMALL, when=when, words="no"
    )


def test_what_runs_once_passes() -> None:
    assert {it.verdict for it in judged(SMALL, NEW).values()} == {Verdict.PASSED}


def test_the_race_is_counted_with_its_window_and_is_known() -> None:
    found = judged(SMALL, STRUCK, NEW)
    race = found["exactly-once"]
    assert race.verdict is Verdict.FAILED
    assert "1 of 3" in race.message
    assert race.evidence["windows"] == {"while there was no leader (2.4.0 → 2.5.2)": 1}
    assert found["no-other-loss"].verdict is Verdict.PASSED
    rows = catalogue.load().upgrades.path("upgrade", ("2.4.0", "2.5.2"), "apply", "default").known
    assert [it.verdict for it in expectation.judge([race], rows, "submissions")] == [Verdict.BROKEN_AS_KNOWN]


@pytest.mark.parametrize(
    "bad",
    [
        replace(SMALL, pods=(driver(), driver("2"))),
        replace(SMALL, pods=()),
        replace(SMALL, pods=(driver(exit_status=1),)),
        replace(SMALL, looks=(look(20, S.SUBMITTED),)),
        replace(SMALL, looks=()),
        replace(STRUCK, pods=(driver(), driver("2"))),
        replace(STRUCK, pods=(driver(exit_status=1),)),
    ],
)
def test_other_losses_are_not_taken_for_the_race(bad: ApplicationSeen) -> None:
    found = judged(bad, NEW)
    assert found["exactly-once"].verdict is Verdict.PASSED
    assert found["no-other-loss"].verdict is Verdict.FAILED
    assert submissions.RACE not in found["exactly-once"].message


def test_a_run_of_a_schedule_that_still_goes_is_no_loss() -> None:
    run = application(Part.RUN, look(135, S.RUNNING), created=134, when=When.AFTER, schedule="it")
    assert judged(SMALL, NEW, run)["no-other-loss"].verdict is Verdict.PASSED


def test_what_is_refused_meanwhile_is_told_and_what_is_refused_after_fails() -> None:
    found = judged(SMALL, NEW, refused=(refused(When.DURING),))
    assert found["submissions-observed"].message.endswith("refused: 1")
    assert found["accepted-after"].verdict is Verdict.PASSED
    assert judged(SMALL, refused=(refused(When.AFTER),))["accepted-after"].verdict is Verdict.FAILED


def connect(state: str = "Ready", answer: str = "4950", *, asked: bool = True) -> ConnectSeen:
    query = Query(at=at(120), when=When.AFTER, seconds=9.0, wanted="4950", answer=answer, log_end="UNAVAILABLE")
    return ConnectSeen(
        namespace="it",
        name="new-connect",
        uid="c1",
        part=Part.NEW,
        when=When.AFTER,
        created=at(110),
        looks=(ConnectLook(at=at(118), state=state),),
        pods=(driver(role="connect-server"),),
        queries=(query,) if asked else (),
    )


@pytest.mark.parametrize(
    ("server", "verdict"),
    [
        (connect(), Verdict.PASSED),
        (connect(asked=False), Verdict.PASSED),
        (connect("Provisioning"), Verdict.FAILED),
        (connect(answer=""), Verdict.FAILED),
        (replace(connect(), pods=()), Verdict.FAILED),
    ],
)
def test_a_new_connect_server_must_come_up(server: ConnectSeen, verdict: Verdict) -> None:
    assert judged(SMALL, NEW, connects=(server,))["new-connect-ready"].verdict is verdict


def test_why_a_new_connect_server_does_not_come_up_is_told() -> None:
    log = 'Exception in thread "main" java.lang.IllegalArgumentException: basedir must be absolute: ?/.ivy2.5.2/local'
    server = connect("NotReady", answer="")
    asked = replace(
        server.queries[0], server_log_end=f"{log}\n\tat org.apache.ivy.util.Checks.checkAbsolute(Checks.java:48)"
    )
    found = judged(SMALL, NEW, connects=(replace(server, queries=(asked,)),))["new-connect-ready"]
    assert "is NotReady, with 1 server pods: " in found.message
    assert "basedir must be absolute" in found.message


def test_where_nothing_was_submitted_nothing_is_proved() -> None:
    assert judged(NEW)["submissions-observed"].verdict is Verdict.ERROR
    assert judged(NEW, refused=(refused(When.DURING),))["submissions-observed"].verdict is Verdict.FAILED


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-60, "before the"),
        (-1, "shortly before"),
        (1, "Helm"),
        (6, "no leader"),
        (31, "had rolled out"),
        (101, "after the last"),
    ],
)
def test_a_moment_is_named_by_where_it_lies(seconds: float, words: str) -> None:
    found = submissions.window(path(), at(seconds))
    assert words in found
    assert ("shortly" in found) == ("shortly" in words)


def test_a_connect_server_without_a_controller_is_judged_by_its_creation_alone() -> None:
    absent = {"new-connect": "2.1.1 leads, which has no SparkConnect"}
    found = judged(SMALL, NEW, connects=(connect(""),), absent=absent)
    assert "new-connect-ready" not in found
    assert found["accepted-after"].verdict is Verdict.PASSED
    assert found["accepted-after"].message.endswith("2.1.1 leads, which has no SparkConnect")
