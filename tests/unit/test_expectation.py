# SPDX-License-Identifier: Apache-2.0
"""What was predicted held against what was found: known breaks, and predictions that did not come true."""

from __future__ import annotations

import pytest

from harness.checks.expectation import CHECK, judge
from harness.matrix.model import Known
from harness.verdicts import Finding, Verdict, errored, failed, passed, unavailable, worst

CRASH = Known(
    scenario="operator-health",
    check="no-restarts",
    says="restarted",
    why="the CRD SparkConnect is missing",
    link="https://example.com/1",
    way_out="apply the CRDs first",
)
RACE = CRASH.model_copy(
    update={"scenario": "submissions", "check": "exactly-once", "says": "already exist", "strikes": "sometimes"}
)
CRASHED = failed("no-restarts", "within 90 s: controller restarted 3 times", pod="controller")
STEADY = passed("no-restarts", "2 pods, no restart in 90 s")
OTHER = passed("logs-clean", "200 lines are clean")


def judged(*findings: Finding, known: tuple[Known, ...] = (CRASH,), scenario: str = "operator-health") -> list[Finding]:
    return judge(findings, known, scenario)


def test_a_failure_that_was_predicted_is_broken_as_known_with_cause_and_way_out() -> None:
    other, found = judged(OTHER, CRASHED)
    assert other == OTHER
    assert found.verdict is Verdict.BROKEN_AS_KNOWN
    assert found.message == (
        "within 90 s: controller restarted 3 times; known: the CRD SparkConnect is missing (https://example.com/1)"
    )
    assert found.evidence["way_out"] == "apply the CRDs first"
    assert found.evidence["pod"] == "controller"


def test_a_failure_that_nobody_predicted_stays_failed() -> None:
    new = failed("logs-clean", "3 lines report problems")
    assert judged(CRASHED, new)[1] == new
    assert worst(judged(CRASHED, new)) is Verdict.FAILED


def test_a_prediction_that_held_is_a_failure_that_tells_both_stories() -> None:
    *_, story = judged(STEADY, OTHER)
    assert (story.check, story.verdict) == (CHECK, Verdict.FAILED)
    assert "expects that the CRD SparkConnect is missing" in story.message
    assert "What was seen: it held: no-restarts: 2 pods, no restart in 90 s" in story.message
    assert "upgrades.toml" in story.message
    assert story.evidence["link"] == "https://example.com/1"


def test_a_prediction_that_broke_in_another_way_is_a_failure_that_tells_both_stories() -> None:
    gone = failed("no-restarts", "controller went away")
    still, story = judged(gone)
    assert still == gone
    assert "it broke in another way: no-restarts: controller went away" in story.message


@pytest.mark.parametrize("blind", [errored("no-restarts", "unseen"), unavailable("no-restarts", "no image")])
def test_where_a_check_could_not_look_nothing_is_claimed(blind: Finding) -> None:
    assert judged(blind, OTHER) == [blind, OTHER]


def test_a_cell_that_got_nowhere_is_left_as_it_is() -> None:
    nowhere = errored("cluster-created", "no room")
    assert judged(nowhere) == [nowhere]


def test_a_prediction_about_a_check_that_there_is_not_is_an_error() -> None:
    *_, story = judged(OTHER)
    assert (story.check, story.verdict) == (CHECK, Verdict.ERROR)
    assert "no check of that name ran" in story.message


def test_nothing_is_claimed_of_what_comes_after_a_break_that_was_predicted() -> None:
    refused = CRASH.model_copy(update={"check": "move-completed", "says": "Too long", "why": "the CRD is too long"})
    (found,) = judged(failed("move-completed", "Too long"), known=(CRASH, refused))

    assert found.verdict is Verdict.BROKEN_AS_KNOWN


def test_what_follows_from_a_break_may_leave_a_check_nothing_to_look_at() -> None:
    silent = errored("logs-clean", "0 containers have logged nothing to check")
    follows = CRASH.model_copy(update={"check": "logs-clean", "says": "logged nothing", "strikes": "follows"})

    found = {it.check: it.verdict for it in judged(CRASHED, silent, known=(CRASH, follows))}
    assert found == dict.fromkeys(("no-restarts", "logs-clean"), Verdict.BROKEN_AS_KNOWN)
    blind = CRASH.model_copy(update={"check": "logs-clean", "says": "logged nothing"})
    assert judged(silent, known=(blind,)) == [silent]


def test_predictions_of_other_scenarios_are_not_asked() -> None:
    assert judged(STEADY, scenario="schedules") == [STEADY]
    everywhere = CRASH.model_copy(update={"scenario": "*"})
    assert judged(CRASHED, known=(everywhere,), scenario="schedules")[0].verdict is Verdict.BROKEN_AS_KNOWN


def test_a_race_need_not_strike_and_says_how_often_it_did() -> None:
    fine = passed("exactly-once", "31 applications, each once")
    assert judged(fine, known=(RACE,), scenario="submissions") == [fine]
    struck = failed("exactly-once", "driver pod already exist", total=31, failed=2, doubled=0)
    (found,) = judged(struck, known=(RACE,), scenario="submissions")
    assert found.verdict is Verdict.BROKEN_AS_KNOWN
    assert "[total 31, failed 2]" in found.message


def test_on_a_path_of_several_moves_a_prediction_is_about_its_own() -> None:
    first = CRASH.model_copy(update={"move": "2.2.1 → 2.3.0"})
    there = failed("no-restarts (2.2.1 → 2.3.0)", "restarted 3 times")
    elsewhere = failed("no-restarts (2.3.0 → 2.5.2)", "restarted 3 times")
    found = judged(there, elsewhere, known=(first,))
    assert [it.verdict for it in found] == [Verdict.BROKEN_AS_KNOWN, Verdict.FAILED]
    unlabelled = judged(CRASHED, known=(first,))
    assert [it.verdict for it in unlabelled] == [Verdict.BROKEN_AS_KNOWN]
