# SPDX-License-Identifier: Apache-2.0
"""The scenario scheduled: a schedule that lets its slots go by is told, however many runs it makes in the end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from harness.stories.installs.scenarios import scheduled
from harness.verdicts import Verdict

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def look(runs: scheduled.Runs, number: int, created: float, ended: float | None) -> None:
    """A run as a watch brings it; times are seconds from BEGAN."""

    def at(seconds: float) -> str:
        return (BEGAN + timedelta(seconds=seconds)).isoformat()

    status: dict[str, Any] = {"applicationState": {"state": "RUNNING"}}
    if ended is not None:
        status = {"applicationState": {"state": "COMPLETED"}, "terminationTime": at(ended)}
    metadata = {"name": f"scheduled-{number}", "uid": str(number), "creationTimestamp": at(created)}
    scheduled._look(runs, "MODIFIED", {"metadata": metadata, "status": status})


@pytest.mark.parametrize(
    ("second", "verdict", "words"),
    [
        (24.0, Verdict.PASSED, "the longest pause between two runs was 4 s"),
        (45.0, Verdict.PASSED, "the longest pause between two runs was 25 s"),
        (95.0, Verdict.FAILED, "@every 5s, and no run for 75 s after 12:00:20Z"),
    ],
)
def test_slots_that_went_by_are_told(second: float, verdict: Verdict, words: str) -> None:
    runs = scheduled.Runs()
    look(runs, 1, 0.0, None)
    look(runs, 1, 0.0, 20.0)
    look(runs, 2, second, second + 10)
    look(runs, 3, second + 12, None)
    finding = scheduled._slots_kept(runs)
    assert finding.verdict is verdict
    assert words in finding.message


def test_a_history_that_is_too_long_names_its_runs() -> None:
    runs = scheduled.Runs()
    for number in range(1, 4):
        look(runs, number, 5.0 * number, 5.0 * number + 2)
    runs.deleted.append("scheduled-1")
    finding = scheduled._history(runs, {})
    assert finding.verdict is Verdict.FAILED
    assert finding.message == "the limit is 1; kept are scheduled-2, scheduled-3; the status names none"
