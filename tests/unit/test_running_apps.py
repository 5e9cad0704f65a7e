# SPDX-License-Identifier: Apache-2.0
"""What is said of applications that ran before an upgrade."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from path_samples import S, application, at, driver, look, path

from harness.matrix import catalogue
from harness.releases.operator_seen import Unseen
from harness.stories.moves.scenarios import running_apps
from harness.upgrades.workload_seen import ApplicationSeen, ConnectLook, ConnectSeen, Part, Query, When
from harness.verdicts import Verdict

RUNNING = {"submission": "a", "execution_attempts": 1, "submission_attempts": 1}
LONG = application(Part.LONG, look(-40, S.RUNNING, **RUNNING), look(110, S.COMPLETED, **RUNNING))
ENDED = application(Part.ENDED, look(-40, S.COMPLETED))
SUSPENDED = application(
    Part.SUSPENDED, look(-40, S.SUSPENDED), look(110, S.RESUMING), look(120, S.COMPLETED), pods=(driver(created=112),)
)
RETRYING = application(
    Part.RETRYING,
    look(-40, S.FAILING, execution_attempts=1),
    look(70, S.SUBMITTED, execution_attempts=2),
    look(80, S.COMPLETED, execution_attempts=2),
    pods=(driver(exit_status=1), driver("2", created=70)),
)


def asked(when: When, answer: str) -> Query:
    return Query(at=at(0), when=when, seconds=1, wanted="6 from", answer=answer)


def server(after: str = "6 from Spark") -> ConnectSeen:
    return ConnectSeen(
        namespace="it",
        name="spark-connect",
        uid="1",
        part=Part.ENDED,
        when=When.BEFORE,
        created=at(-60),
        looks=(ConnectLook(at=at(-40), state="Ready"),),
        queries=(asked(When.BEFORE, "6 from Spark"), asked(When.AFTER, after)),
    )


def verdicts(*applications: ApplicationSeen, **seen: Any) -> dict[str, Verdict]:
    observed = path(*applications, **{"connects": (server(),), **seen})
    return {it.check: it.verdict for it in running_apps.judge(observed)}


def test_what_survives_passes() -> None:
    found = verdicts(LONG, ENDED, SUSPENDED, RETRYING)
    assert len(found) == 8
    assert set(found.values()) == {Verdict.PASSED}


@pytest.mark.parametrize(
    ("check", "bad"),
    [
        ("long-keeps-driver", replace(LONG, pods=(driver(), driver("2")))),
        ("long-keeps-driver", replace(LONG, looks=(*LONG.looks, look(120, S.COMPLETED, submission="b")))),
        ("long-keeps-driver", replace(LONG, pods=(driver(restarts=1),))),
        ("long-completes", replace(LONG, looks=(*LONG.looks, look(120, S.FAILED, **RUNNING)))),
        ("completed-stays", replace(ENDED, pods=(driver(), driver("2", created=20)))),
        ("completed-stays", replace(ENDED, looks=(*ENDED.looks, look(20, S.PENDING_RERUN), look(40, S.COMPLETED)))),
        ("no-invalidating", replace(ENDED, looks=(*ENDED.looks, look(20, S.INVALIDATING), look(40, S.COMPLETED)))),
        ("suspended-resumes", replace(SUSPENDED, looks=SUSPENDED.looks[:1])),
        ("suspended-resumes", replace(SUSPENDED, pods=(driver(created=50),))),
        ("retrying-keeps-count", replace(RETRYING, looks=(RETRYING.looks[0], look(80, S.COMPLETED)))),
        (
            "retrying-keeps-count",
            replace(RETRYING, looks=(*RETRYING.looks[:2], look(90, S.FAILED, execution_attempts=2))),
        ),
    ],
)
def test_what_suffers_fails(check: str, bad: ApplicationSeen) -> None:
    others = [it for it in (LONG, ENDED, SUSPENDED, RETRYING) if it.part is not bad.part]
    (found,) = [it for it in running_apps.judge(path(*others, bad)) if it.check == check]
    assert found.verdict is Verdict.FAILED
    assert not re.search(r"[][{}']", found.message)


@pytest.mark.parametrize(("attempts", "drivers", "known"), [(1, 2, True), (2, 3, True), (2, 4, False), (2, 2, False)])
def test_a_retry_that_was_submitted_and_not_noted_is_known(attempts: int, drivers: int, *, known: bool) -> None:
    stuck = replace(
        RETRYING,
        looks=(*RETRYING.looks[:1], look(-10, S.PENDING_RERUN, execution_attempts=attempts)),
        pods=tuple(driver(str(number), created=20 * number) for number in range(drivers)),
    )
    found = {it.check: it for it in running_apps.judge(path(LONG, stuck))}["retrying-keeps-count"]
    (row,) = [it for it in catalogue.load().upgrades.known if it.check == "retrying-keeps-count"]
    assert found.verdict is Verdict.FAILED
    assert bool(re.search(row.says, found.message)) is known, found.message


def test_a_server_that_gives_no_answer_afterwards_fails() -> None:
    assert verdicts(LONG, connects=(server(after=""),))["connect-answers"] is Verdict.FAILED


def test_what_was_not_in_its_state_before_proves_nothing() -> None:
    late = replace(LONG, looks=LONG.looks[1:])
    assert verdicts(late)["long-keeps-driver"] is Verdict.ERROR
    assert verdicts()["completed-stays"] is Verdict.ERROR


def test_what_a_release_cannot_do_is_not_judged_but_told() -> None:
    observed = path(LONG, absent={"suspended": "no spec.suspend", "connect": "no SparkConnect"})
    found = {it.check: it for it in running_apps.judge(observed)}
    assert not {"suspended-resumes", "connect-answers"} & found.keys()
    assert "no suspended: no spec.suspend" in found["applications-observed"].message


def test_applications_that_could_not_be_followed_are_an_error() -> None:
    (found,) = running_apps.judge(replace(path(), workload=Unseen(reason="away")))
    assert (found.verdict, found.message) == (Verdict.ERROR, "away")
