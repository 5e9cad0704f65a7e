# SPDX-License-Identifier: Apache-2.0
"""What comes after the moves begins a few at a time, so that the harness does not overload its own host."""

from __future__ import annotations

import pytest

from harness.upgrades import room
from harness.upgrades.room import Room, at_once


def test_one_more_waits_until_fewer_are_starting() -> None:
    counts = iter([3, 2, 2, 1])
    Room(lambda: next(counts), lambda: 0.0, 2).wait()
    assert next(counts, "all asked") == "all asked"


def test_what_does_not_move_does_not_keep_others_waiting_and_is_not_waited_for_again() -> None:
    quiet = iter([0.0, 41.0])
    made = Room(lambda: 5, lambda: next(quiet), 2)
    made.wait()
    made.wait()


def test_all_waits_together_end_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_SECONDS", 0.1)
    asked = []
    made = Room(lambda: asked.append(1) or 5, lambda: 0.0, 2)  # type: ignore[func-returns-value]
    made.wait()
    so_far = len(asked)
    made.wait()
    assert len(asked) <= so_far + 2


@pytest.mark.parametrize(("processors", "expected"), [(0.5, 2), (1, 2), (2, 2), (3.9, 3), (16, 16)])
def test_a_processor_for_each_that_is_starting(
    monkeypatch: pytest.MonkeyPatch, processors: float, expected: int
) -> None:
    monkeypatch.setattr(room, "usable", lambda: processors)
    assert at_once() == expected
