# SPDX-License-Identifier: Apache-2.0
"""Waiting: deadlines that hold, words for what was seen last, and threads that give up when the run ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tenacity

from harness import waiting
from harness.errors import ToolError, WaitTimeout


@pytest.fixture(autouse=True)
def _no_cancellation_is_left() -> Iterator[None]:
    yield
    waiting.reset_cancellation()


def counting(*answers: Any) -> Callable[[], Any]:
    """Gives one answer a call, then the last one for ever; an exception among them is raised."""
    left = list(answers)

    def observe() -> Any:
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    return observe


def test_until_returns_what_was_seen_when_it_came_true() -> None:
    seen = waiting.until(counting(1, 2, 3), lambda it: it == 3, what="three", timeout=20, interval=0.001)

    assert seen == 3


def test_when_time_is_up_the_error_says_for_what_and_what_was_seen_last() -> None:
    started = time.monotonic()
    with pytest.raises(WaitTimeout) as raised:
        waiting.until(
            lambda: "Pending" * 100, lambda it: False, what="the pod", timeout=0.2, interval=0.05, next_step="look"
        )

    assert raised.value.message.startswith("waited 0 s for the pod; last seen: PendingPending")
    assert raised.value.message.endswith(" …")
    assert (raised.value.next_step, raised.value.last_seen[:7]) == ("look", "Pending")
    assert 0.15 < time.monotonic() - started < 10


def test_a_pause_between_looks_does_not_outlast_the_deadline() -> None:
    started = time.monotonic()
    with pytest.raises(WaitTimeout):
        waiting.until(lambda: False, what="it", timeout=0.3, interval=30)

    assert time.monotonic() - started < 10


def test_ignored_errors_are_not_yet_and_are_remembered() -> None:
    assert waiting.until(
        counting(ToolError("not there"), "ready"), what="it", timeout=20, interval=0.001, ignore=(ToolError,)
    )

    with pytest.raises(WaitTimeout, match="last seen: ToolError: not there"):
        waiting.until(counting(ToolError("not there")), what="it", timeout=0.1, interval=0.01, ignore=(ToolError,))


def test_other_errors_end_the_wait_as_they_are() -> None:
    with pytest.raises(ZeroDivisionError):
        waiting.until(counting(ZeroDivisionError()), what="it", timeout=20, ignore=(ToolError,))


def test_whoever_waits_gives_up_when_the_run_is_ended() -> None:
    waits: list[Callable[[], object]] = [
        lambda: waiting.until(lambda: False, what="never", timeout=60, interval=30),
        lambda: waiting.pause(60, what="a soak"),
    ]
    with ThreadPoolExecutor(len(waits)) as pool:
        running = [pool.submit(wait) for wait in waits]
        threading.Timer(0.2, waiting.cancel_all).start()
        for future in running:
            with pytest.raises(waiting.Cancelled, match="the run is being stopped"):
                future.result(30)


def test_a_wait_of_the_teardown_goes_on_when_the_run_is_ended() -> None:
    waiting.cancel_all()

    assert waiting.cancelled()
    assert waiting.until(counting(0, 1), what="one", timeout=20, interval=0.001, heed_cancel=False) == 1
    with pytest.raises(waiting.Cancelled):
        waiting.until(counting(0, 1), what="one", timeout=20)

    waiting.reset_cancellation()
    assert not waiting.cancelled()
    waiting.pause(0.001, what="a moment")


def test_retry_does_it_again_and_raises_the_last_error_as_it_is() -> None:
    assert waiting.retry(counting(ToolError("1"), ToolError("2"), "done"), on=(ToolError,), first_pause=0.001) == "done"

    with pytest.raises(ToolError, match=r"^3$"):
        waiting.retry(
            counting(*map(ToolError, "1234")), on=(ToolError,), attempts=3, first_pause=0.001, when=lambda error: True
        )
    with pytest.raises(ToolError, match=r"^1$"):
        waiting.retry(counting(*map(ToolError, "1234")), on=(ToolError,), when=lambda error: str(error) != "1")
    with pytest.raises(KeyError):
        waiting.retry(counting(KeyError("x"), 1), on=(ToolError,))


def test_a_deadline_counts_down_and_stops_at_zero() -> None:
    now = time.monotonic()
    assert waiting.Deadline(seconds=10, started=now - 4).left == pytest.approx(6, abs=1)
    assert waiting.Deadline(seconds=10, started=now - 4).elapsed == pytest.approx(4, abs=1)
    assert waiting.Deadline(seconds=10, started=now - 40).left == 0


def test_a_late_start_is_not_made_up_for_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    decide = tenacity.retry_if_result

    def late(*words: Any) -> Any:
        time.sleep(0.05)
        return decide(*words)

    monkeypatch.setattr(tenacity, "retry_if_result", late)
    looks: list[None] = []

    with pytest.raises(WaitTimeout):
        waiting.until(lambda: looks.append(None), what="never", timeout=0.1)

    assert len(looks) <= 3
