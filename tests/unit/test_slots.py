# SPDX-License-Identifier: Apache-2.0
"""Places that all runs on a host share."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from holder import holder

from harness import waiting
from harness.run.slots import Slots
from harness.waiting import Cancelled


@pytest.fixture(autouse=True)
def _not_cancelled() -> Iterator[None]:
    yield
    waiting.reset_cancellation()


@pytest.fixture
def other_run(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the first place."""
    with holder(f"Slots(Path({str(tmp_path)!r}), 'app', 1).some()") as process:
        yield process


def test_no_more_than_its_places_are_held_in_one_run(tmp_path: Path) -> None:
    slots = Slots(tmp_path, "app", 2)
    inside, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with slots.some():
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.05)
            with lock:
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert (most, inside) == (2, 0)


def test_a_place_that_another_run_holds_is_waited_for(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    got = threading.Event()

    def work() -> None:
        with Slots(tmp_path, "app", 1).some():
            got.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not got.wait(0.6)

    other_run.communicate("", timeout=10)

    assert got.wait(10)
    thread.join(10)


def test_a_killed_run_gives_up_its_places(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    other_run.kill()
    other_run.wait(10)

    with Slots(tmp_path, "app", 1).some():
        assert other_run.returncode < 0


def test_kinds_of_places_are_counted_apart(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    with Slots(tmp_path, "creation", 1).some(), Slots(tmp_path, "app", 2).some():
        assert other_run.poll() is None


def test_whoever_waits_hears_that_the_run_ends(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    waiting.cancel_all()

    with pytest.raises(Cancelled, match="1 of 1 app places"), Slots(tmp_path, "app", 1).some():
        raise AssertionError("the place is another's")


def test_whoever_has_to_wait_is_told_once(tmp_path: Path) -> None:
    slots, told = Slots(tmp_path, "path", 1), []
    waits, in_place = threading.Event(), threading.Event()

    def tell() -> None:
        told.append("waits")
        waits.set()

    def take() -> None:
        with slots.some(waits=tell):
            in_place.set()

    with slots.some(waits=tell):
        assert told == []
        taking = threading.Thread(target=take)
        taking.start()
        assert waits.wait(10)
        assert not in_place.is_set()
    taking.join(10)
    assert in_place.is_set()
    assert told == ["waits"]


def test_several_places_are_held_together_or_not_at_all(tmp_path: Path, other_run: subprocess.Popen[str]) -> None:
    slots, told = Slots(tmp_path, "app", 2), threading.Event()
    got = threading.Event()

    def work() -> None:
        with slots.some(2, told.set):
            got.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert told.wait(10)
    with slots.some():
        assert not got.is_set()
    assert not got.wait(0.6)
    other_run.communicate("", timeout=10)
    assert got.wait(10)
    thread.join(10)


def test_those_that_wait_for_several_places_do_not_wake_each_other(
    tmp_path: Path, other_run: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots, looks = Slots(tmp_path, "app", 2), []
    look = slots._free_ones

    def counted(number: int) -> list[FileLock]:
        looks.append(number)
        return look(number)

    def work() -> None:
        with slots.some(2):
            pass

    monkeypatch.setattr(slots, "_free_ones", counted)
    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    threading.Event().wait(1)
    seen = len(looks)
    other_run.communicate("", timeout=10)
    for thread in threads:
        thread.join(10)
    assert 3 <= seen < 40


def test_who_needs_more_places_than_there_are_holds_all(tmp_path: Path) -> None:
    slots = Slots(tmp_path, "app", 1)
    with slots.some(2):
        waiting.cancel_all()
        with pytest.raises(Cancelled, match="1 of 1 app places"), slots.some():
            raise AssertionError("there is no other place")
