# SPDX-License-Identifier: Apache-2.0
"""Who begins next among those that wait for a job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import waiting
from harness.run.budget import Budget
from harness.run.turns import Turns

Made = Callable[..., Turns[str]]


@pytest.fixture(autouse=True)
def _not_cancelled() -> Iterator[None]:
    yield
    waiting.reset_cancellation()


@pytest.fixture
def turns_of(tmp_path: Path) -> Made:
    """Turns with so many processors; what is added is named by itself."""

    def made(processors: float, *waiting_ones: tuple[str, float], **asked: Callable[..., object]) -> Turns[str]:
        turns: Turns[str] = Turns(Budget(tmp_path, processors), **asked)  # type: ignore[arg-type]
        turns.add((name, need, name) for name, need in waiting_ones)
        return turns

    return made


def begins(turns: Turns[str]) -> str | None:
    with turns.next() as turn:
        return turn.each if turn is not None else None


def test_they_come_in_their_order(turns_of: Made) -> None:
    turns = turns_of(2, ("install", 0.5), ("upgrade", 2), ("other install", 0.5))

    assert [begins(turns) for _ in range(4)] == ["install", "upgrade", "other install", None]


def test_one_without_processors_lets_others_go_first_as_long_as_they_leave_it_what_it_needs(turns_of: Made) -> None:
    turns = turns_of(2, ("a", 1.34), ("b", 1.34), ("c", 0.66), ("d", 0.66))
    began: list[str | None] = []
    with turns.next() as first, turns.next() as second:
        assert [first and first.each, second and second.each] == ["a", "c"]
        with ThreadPoolExecutor(1) as pool:
            third = pool.submit(begins, turns)
            with pytest.raises(TimeoutError):
                third.result(0.6)
            assert first is not None
            first.claim.give_back()
            began.append(third.result(10))
    assert began == ["b"]


def test_who_waits_is_said_once_and_for_what(turns_of: Made) -> None:
    said: list[str] = []
    heard = threading.Event()

    def waits(each: str, why: str) -> None:
        said.append(f"{each} {why}")
        heard.set()

    turns = turns_of(2, ("applications", 2), ("others", 2), waits=waits)
    with ThreadPoolExecutor(1) as pool:
        with turns.next():
            later = pool.submit(begins, turns)
            assert heard.wait(10)
            with pytest.raises(TimeoutError):
                later.result(0.6)
        assert later.result(10) == "others"
    assert said == ["others waits for 2 of 2 processors: taken are 2 by applications"]


def test_how_long_one_waited_is_known(turns_of: Made) -> None:
    turns = turns_of(2, ("applications", 2), ("others", 2))

    def waited() -> float:
        with turns.next() as turn:
            assert turn is not None
            return turn.claim.waited

    with ThreadPoolExecutor(1) as pool:
        with turns.next() as first:
            later = pool.submit(waited)
            with pytest.raises(TimeoutError):
                later.result(0.6)
            assert first is not None
            assert first.claim.waited == 0
        assert later.result(10) >= 0.3


def test_who_needs_more_than_there_is_takes_all(turns_of: Made) -> None:
    turns = turns_of(1, ("applications", 2), ("operator alone", 1))
    with turns.next() as first:
        assert first is not None
        assert first.each == "applications"
        waiting.cancel_all()
        assert begins(turns) is None


def test_who_waits_hears_that_the_run_ends_and_leaves_the_queue(turns_of: Made, tmp_path: Path) -> None:
    turns = turns_of(1, ("applications", 1), ("others", 1))

    with ThreadPoolExecutor(1) as pool, turns.next():
        waits = pool.submit(begins, turns)
        waiting.until(lambda: list(tmp_path.glob("*.waiting")), what="it to queue", timeout=10)
        waiting.cancel_all()
        assert waits.result(10) is None
        assert list(tmp_path.glob("*.waiting")) == []


def test_what_has_not_begun_at_the_end_leaves_the_queue(turns_of: Made, tmp_path: Path) -> None:
    turns = turns_of(1, ("applications", 1), ("others", 1))

    with ThreadPoolExecutor(1) as pool, turns.next():
        waits = pool.submit(begins, turns)
        waiting.until(lambda: list(tmp_path.glob("*.waiting")), what="it to queue", timeout=10)
        turns.close()
        assert waits.result(10) is None
        assert list(tmp_path.glob("*.waiting")) == []


def test_one_that_is_not_ready_lets_others_go_first_and_comes_when_it_is(turns_of: Made) -> None:
    ready = {"install"}
    turns = turns_of(2, ("upgrade", 2), ("install", 0.5), ready=lambda each: each in ready)

    assert begins(turns) == "install"

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(begins, turns)
        with pytest.raises(TimeoutError):
            waits.result(0.5)
        ready.add("upgrade")
        assert waits.result(10) == "upgrade"
