# SPDX-License-Identifier: Apache-2.0
"""Whose programs want a processor, as /proc tells it; and how a run sums it up."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from harness.cleanup.engine import DockerObject
from harness.errors import EngineError
from harness.host.runnable import Census, Runnable
from harness.run import own_load
from harness.run.own_load import OwnLoad

OURS, THEIRS = "ab" * 32, "cd" * 32
DOCKER = "0::/system.slice/docker-{}.scope/kubelet.slice\n"


class Proc:
    """A /proc with the processes that a test says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def runs(self, total: int) -> None:
        (self.folder / "loadavg").write_text(f"9.00 8.00 7.00 {total}/900 4242\n")
        (self.folder / "stat").write_text("cpu  100 20 30 4000 500 6 7 8 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n")

    def has(self, pid: int, parent: int, states: str, cgroup: str = "0::/user.slice\n") -> None:
        """A process with a thread for each of these states."""
        folder = self.folder / str(pid)
        for number, state in enumerate(states):
            task = folder / "task" / str(pid + number)
            task.mkdir(parents=True)
            (task / "stat").write_text(_stat(pid + number, parent, state))
        (folder / "stat").write_text(_stat(pid, parent, states[0]))
        (folder / "cgroup").write_text(cgroup)


def _stat(pid: int, parent: int, state: str) -> str:
    return f"{pid} (a (name) R 1) {state} {parent} {' '.join(['0'] * 9)} 1 2 3 4 {' '.join(['0'] * 4)} 777 0 0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    made = Proc(tmp_path)
    made.has(1, 0, "S")
    made.has(100, 1, "RS")
    made.has(110, 100, "S")
    made.has(120, 110, "RRS")
    made.has(200, 1, "SR", DOCKER.format(OURS))
    made.has(300, 1, "RRRR", DOCKER.format(THEIRS))
    made.has(400, 1, "R")
    made.runs(9)
    return made


def census(proc: Proc, *own: str) -> Census:
    return Census(100, lambda ids: ids & set(own), proc.folder)


def test_own_are_the_descendants_and_what_runs_in_own_containers(proc: Proc) -> None:
    # One of the four is the thread that counts.
    assert census(proc, OURS).count() == Runnable(own=3, total=8, own_ticks=40, ticks=171)


def test_it_cannot_be_told_where_no_own_container_is_to_be_seen(proc: Proc) -> None:
    assert census(proc).count() is None
    assert census(proc, "ef" * 32).count() is None


def test_it_cannot_be_told_where_the_kernel_does_not_say(proc: Proc) -> None:
    (proc.folder / "loadavg").unlink()
    assert census(proc, OURS).count() is None


def test_a_process_that_ends_meanwhile_counts_for_nothing(proc: Proc) -> None:
    (proc.folder / "120" / "stat").unlink()
    assert census(proc, OURS).count() == Runnable(own=1, total=8, own_ticks=30, ticks=171)


def test_the_real_kernels_files_are_read() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        # Nothing here runs in a container of ours: each process is taken for one.
        everywhere = Census(os.getpid(), lambda ids: ids | {OURS})
        everywhere._containers_of = lambda process: frozenset({OURS}) if process.pid == os.getpid() else frozenset()  # type: ignore[method-assign]
        found = everywhere.count()
    finally:
        for it in busy:
            it.kill()
            it.wait(10)
    assert found is not None
    assert 1 <= found.own <= found.total


def container(identifier: str, *, run_id: str = "", cluster: str = "") -> DockerObject:
    return DockerObject(id=identifier, name="it", run_id=run_id, cluster=cluster)


def load_of(monkeypatch: pytest.MonkeyPatch, *counts: Runnable | None) -> OwnLoad:
    """A load that counts these, one after the other."""
    left = list(counts)
    made = OwnLoad(lambda it: it.cluster == "ours")
    monkeypatch.setattr(made._census, "count", lambda: left.pop(0) if left else None)
    return made


@pytest.mark.parametrize(
    ("own", "total", "own_ticks", "ticks", "part"),
    [
        (30, 40, 700, 1000, 0.7),
        (30, 40, 900, 1000, 0.75),
        # Its threads pile up since others have the processors.
        (30, 40, 200, 1000, 0.2),
        # Others' threads pile up at a low priority.
        (10, 100, 950, 1000, 0.1),
        # A cluster is gone, and what it had with it.
        (30, 40, -500, 1000, 0.0),
    ],
)
def test_the_runs_part_is_of_what_wants_processors_and_of_what_has_them(
    monkeypatch: pytest.MonkeyPatch, own: int, total: int, own_ticks: int, ticks: int, part: float
) -> None:
    load = load_of(
        monkeypatch,
        Runnable(own=0, total=1000, own_ticks=0, ticks=0),
        Runnable(own=0, total=0, own_ticks=1000, ticks=5000),
        Runnable(own=own, total=total, own_ticks=1000 + own_ticks, ticks=5000 + ticks),
    )
    load._count()
    began = time.monotonic()
    load._count()

    assert load.since(began) == pytest.approx(part)
    assert load.since(time.monotonic()) is None


def test_without_any_count_it_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_of(monkeypatch, None).since(0.0) is None


def test_the_engine_is_asked_once_for_each_container(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def there() -> list[DockerObject]:
        asked.append(1)
        return [container(OURS, cluster="ours"), container(THEIRS, cluster="theirs")]

    monkeypatch.setattr(own_load, "containers", there)
    load = OwnLoad(lambda it: it.cluster == "ours")

    both = frozenset({OURS, THEIRS})
    assert load._own(both) == load._own(both) == {OURS}
    assert len(asked) == 1
    assert load._own(both | {"ef" * 32}) == {OURS}
    assert len(asked) == 2


def test_an_engine_that_does_not_answer_leaves_it_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> list[DockerObject]:
        raise EngineError("no engine answers")

    monkeypatch.setattr(own_load, "containers", away)
    assert OwnLoad(lambda it: True)._own(frozenset({OURS})) == frozenset()


def test_it_counts_while_the_processors_are_short_and_ends_when_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    load = load_of(monkeypatch, *[Runnable(own=1, total=2)] * 200)
    monkeypatch.setattr(own_load, "_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(psutil, "getloadavg", lambda: (99.0, 0.0, 0.0))
    load.start()
    deadline = time.monotonic() + 20
    while not load._samples and time.monotonic() < deadline:
        load._ended.wait(0.01)
    load.stop()
    counted = len(load._samples)
    assert counted > 0
    assert load._thread is not None
    assert not load._thread.is_alive()
