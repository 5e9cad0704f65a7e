# SPDX-License-Identifier: Apache-2.0
"""Who begins next among those that wait for a job."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import waiting
from harness.run.turns import Turns


@pytest.fixture(autouse=True)
def _not_cancelled() -> Iterator[None]:
    yield
    waiting.reset_cancellation()


def test_they_come_in_their_order() -> None:
    turns: Turns[str] = Turns(2)
    turns.add([("install", 0), ("upgrade", 2), ("other install", 0)])
    found = []
    for _ in range(4):
        with turns.next() as each:
            found.append(each)
    assert found == ["install", "upgrade", "other install", None]


def test_one_without_places_lets_others_go_first() -> None:
    turns: Turns[str] = Turns(2)
    turns.add([("operator alone", 1), ("applications", 2), ("operator alone too", 1), ("install", 0)])
    with turns.next() as first, turns.next() as second, turns.next() as third:
        assert [first, second, third] == ["operator alone", "operator alone too", "install"]
    with turns.next() as fourth:
        assert fourth == "applications"


def test_its_places_are_waited_for() -> None:
    turns: Turns[str] = Turns(2)
    turns.add([("applications", 2), ("others", 2)])
    begun = threading.Event()

    def work() -> str | None:
        with turns.next() as each:
            begun.set()
            return each

    with ThreadPoolExecutor(1) as pool:
        with turns.next() as first:
            waits = pool.submit(work)
            assert not begun.wait(0.5)
            assert first == "applications"
        assert waits.result(10) == "others"


def test_who_needs_more_than_there_are_takes_all() -> None:
    turns: Turns[str] = Turns(1)
    turns.add([("applications", 2), ("operator alone", 1)])
    with turns.next() as first:
        assert first == "applications"
        waiting.cancel_all()
        with turns.next() as second:
            assert second is None


def test_who_waits_hears_that_the_run_ends() -> None:
    turns: Turns[str] = Turns(1)
    turns.add([("applications", 1), ("others", 1)])

    def work() -> str | None:
        with turns.next() as each:
            return each

    with ThreadPoolExecutor(1) as pool, turns.next():
        waits = pool.submit(work)
        waiting.cancel_all()
        assert waits.result(10) is None


def test_one_that_is_not_ready_lets_others_go_first_and_comes_when_it_is() -> None:
    ready = {"install"}
    turns: Turns[str] = Turns(2, ready=lambda each: each in ready)
    turns.add([("upgrade", 2), ("install", 0)])
    with turns.next() as first:
        assert first == "install"

    def work() -> str | None:
        with turns.next() as each:
            return each

    with ThreadPoolExecutor(1) as pool:
        waits = pool.submit(work)
        with pytest.raises(TimeoutError):
            waits.result(0.5)
        ready.add("upgrade")
        assert waits.result(10) == "upgrade"
