# SPDX-License-Identifier: Apache-2.0
"""The state machine of a SparkApplication: what may follow what, and which states end it.

From the operator's api/v1beta2 and internal/controller/sparkapplication (2.5.2). SUSPENDING, SUSPENDED and RESUMING
exist from 2.4.0 on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any


class State(StrEnum):
    """`status.applicationState.state`."""

    NEW = ""
    SUBMITTED = "SUBMITTED"
    RUNNING = "RUNNING"
    SUCCEEDING = "SUCCEEDING"
    COMPLETED = "COMPLETED"
    FAILING = "FAILING"
    FAILED = "FAILED"
    SUBMISSION_FAILED = "SUBMISSION_FAILED"
    PENDING_RERUN = "PENDING_RERUN"
    INVALIDATING = "INVALIDATING"
    SUSPENDING = "SUSPENDING"
    SUSPENDED = "SUSPENDED"
    RESUMING = "RESUMING"
    UNKNOWN = "UNKNOWN"


TERMINAL = frozenset({State.COMPLETED, State.FAILED})
"""States that the operator leaves only when the spec changes."""

_ANY_TIME = frozenset({State.SUSPENDING, State.INVALIDATING})
_DRIVER_SEEN = frozenset({State.SUBMITTED, State.RUNNING, State.SUCCEEDING, State.FAILING, State.UNKNOWN})
_SUBMITTED_AGAIN = frozenset({State.SUBMITTED, State.SUBMISSION_FAILED})

_NEXT: dict[State, frozenset[State]] = {
    State.NEW: _SUBMITTED_AGAIN,
    State.SUBMITTED: _DRIVER_SEEN,
    State.RUNNING: _DRIVER_SEEN,
    State.UNKNOWN: _DRIVER_SEEN,
    State.SUCCEEDING: frozenset({State.COMPLETED, State.PENDING_RERUN}),
    State.FAILING: frozenset({State.FAILED, State.PENDING_RERUN}),
    State.SUBMISSION_FAILED: frozenset({State.SUBMITTED, State.FAILED}),
    State.PENDING_RERUN: _SUBMITTED_AGAIN,
    State.INVALIDATING: frozenset({State.PENDING_RERUN}),
    State.SUSPENDING: frozenset({State.SUSPENDED}),
    State.SUSPENDED: frozenset({State.RESUMING}),
    State.RESUMING: _SUBMITTED_AGAIN,
    State.COMPLETED: frozenset(),
    State.FAILED: frozenset(),
}


def read(status: Mapping[str, Any]) -> State:
    """The state in an application's status, which has none before the operator saw it; one that this harness does not
    know counts as UNKNOWN.
    """
    state = (status.get("applicationState") or {}).get("state") or ""
    return State(state) if state in list(State) else State.UNKNOWN


def may_follow(before: State, after: State) -> bool:
    """Whether the operator can go from one state to the other in one step."""
    if after in _ANY_TIME:
        return after is not before and (after is State.INVALIDATING or before not in TERMINAL)
    return after in _NEXT[before]


def forbidden_step(history: Sequence[State]) -> tuple[State, State] | None:
    """The first step of a history that the state machine does not know, if any."""
    for before, after in pairwise(history):
        if not may_follow(before, after):
            return before, after
    return None


def in_order(history: Sequence[State], wanted: Sequence[State]) -> bool:
    """Whether all wanted states occur, in that order, whatever lies between them."""
    remaining = iter(history)
    return all(state in remaining for state in wanted)


def shown(history: Sequence[State]) -> str:
    """A history in words: `(new) → SUBMITTED → RUNNING`."""
    return " → ".join(state or "(new)" for state in history) or "no state at all"
