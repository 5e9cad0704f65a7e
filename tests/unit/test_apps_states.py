# SPDX-License-Identifier: Apache-2.0
"""The state machine of a SparkApplication."""

from __future__ import annotations

from typing import Any

import pytest

from harness.apps.states import TERMINAL, State, forbidden_step, in_order, may_follow, read, shown

S = State

HAPPY = [S.NEW, S.SUBMITTED, S.RUNNING, S.SUCCEEDING, S.COMPLETED]
RETRIED = [S.NEW, S.SUBMITTED, S.RUNNING, S.FAILING, S.PENDING_RERUN, S.SUBMITTED, S.RUNNING, S.FAILING, S.FAILED]
REFUSED = [S.NEW, S.SUBMISSION_FAILED, S.FAILED]
SUSPENDED = [S.NEW, S.SUBMITTED, S.RUNNING, S.SUSPENDING, S.SUSPENDED, S.RESUMING, S.SUBMITTED, S.RUNNING]


@pytest.mark.parametrize("history", [HAPPY, RETRIED, REFUSED, SUSPENDED, [], [S.RUNNING]])
def test_courses_that_the_operator_documents_have_no_forbidden_step(history: list[State]) -> None:
    assert forbidden_step(history) is None


@pytest.mark.parametrize(
    ("history", "step"),
    [
        ([S.NEW, S.RUNNING], (S.NEW, S.RUNNING)),
        ([S.NEW, S.SUBMITTED, S.COMPLETED], (S.SUBMITTED, S.COMPLETED)),
        ([*HAPPY, S.RUNNING], (S.COMPLETED, S.RUNNING)),
        ([*REFUSED, S.SUBMITTED], (S.FAILED, S.SUBMITTED)),
        ([S.SUSPENDED, S.SUBMITTED], (S.SUSPENDED, S.SUBMITTED)),
    ],
)
def test_the_first_impossible_step_is_named(history: list[State], step: tuple[State, State]) -> None:
    assert forbidden_step(history) == step


@pytest.mark.parametrize("state", sorted(TERMINAL))
def test_only_a_changed_spec_leads_out_of_an_end(state: State) -> None:
    assert [after for after in State if may_follow(state, after)] == [S.INVALIDATING]


def test_a_running_application_can_be_suspended() -> None:
    assert may_follow(S.RUNNING, S.SUSPENDING)


def test_wanted_states_may_have_others_between_them() -> None:
    assert in_order(HAPPY, [S.SUBMITTED, S.COMPLETED])
    assert not in_order(HAPPY, [S.COMPLETED, S.SUBMITTED])
    assert not in_order(HAPPY, [S.FAILED])


def test_a_state_wanted_twice_must_occur_twice() -> None:
    assert in_order(RETRIED, [S.RUNNING, S.RUNNING])
    assert not in_order(HAPPY, [S.RUNNING, S.RUNNING])


def test_a_history_reads_as_a_chain() -> None:
    assert shown([S.NEW, S.SUBMITTED]) == "(new) → SUBMITTED"
    assert shown([]) == "no state at all"


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ({}, S.NEW),
        ({"applicationState": None}, S.NEW),
        ({"applicationState": {"state": "RUNNING"}}, S.RUNNING),
        ({"applicationState": {"state": "HIBERNATING"}}, S.UNKNOWN),
    ],
)
def test_a_status_that_a_later_operator_wrote_is_read(status: dict[str, Any], state: State) -> None:
    assert read(status) is state
