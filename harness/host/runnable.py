# SPDX-License-Identifier: Apache-2.0
"""Which programs want a processor at this moment, who has had how much of it, and what is somebody's own: from /proc.

A process is somebody's own that descends from theirs, or that runs in one of their containers; the kernel names a
process's container in its control group.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PROC = Path("/proc")
_CONTAINER = re.compile(r"[0-9a-f]{64}")

OwnContainers = Callable[[frozenset[str]], frozenset[str]]
"""Of these ids of containers, those that are one's own."""


@dataclass(frozen=True)
class Runnable:
    """How many threads want a processor, those that have one included; `own` of the `total`.

    `own_ticks` of the machine's `ticks` is the processor time that was used up to now, in clock ticks.
    """

    own: int
    total: int
    own_ticks: int = 0
    ticks: int = 0


@dataclass(frozen=True)
class _Process:
    pid: int
    parent: int
    started: int
    ticks: int = field(default=0, compare=False)


class Census:
    """Counts now and then. What belongs to which container is looked up once for each process."""

    def __init__(self, root: int, own_containers: OwnContainers, proc: Path = _PROC) -> None:
        """`root` is the process whose descendants are one's own."""
        self._root = root
        self._own_containers = own_containers
        self._proc = proc
        self._containers: dict[_Process, frozenset[str]] = {}

    def count(self) -> Runnable | None:
        """How many there are now; None where the kernel does not say, or one's own containers cannot be seen."""
        total = self._total()
        if total is None:
            return None
        processes = list(self._processes())
        self._containers = {it: self._containers.get(it) or self._containers_of(it) for it in processes}
        seen = frozenset[str]().union(*self._containers.values())
        containers = self._own_containers(seen)
        if not containers & seen:
            return None
        own = self._descendants(processes)
        own |= {it.pid for it, ids in self._containers.items() if ids & containers}
        # Whoever counts is one of them, and would not be there otherwise.
        found = sum(self._runnable(pid) for pid in own)
        return Runnable(
            own=max(0, min(found, total) - 1),
            total=max(0, total - 1),
            own_ticks=sum(it.ticks for it in processes if it.pid in own),
            ticks=self._ticks(),
        )

    def _total(self) -> int | None:
        """Runnable threads of the whole machine: the fourth field of proc_loadavg(5)."""
        try:
            return int((self._proc / "loadavg").read_text().split()[3].partition("/")[0])
        except (OSError, ValueError, IndexError):
            return None

    def _ticks(self) -> int:
        """The processor time that anybody has had, a hypervisor included: proc_stat(5), without idle and iowait."""
        try:
            words = (self._proc / "stat").read_text().split("\n", 1)[0].split()[1:9]
        except OSError:
            return 0
        return sum(int(word) for number, word in enumerate(words) if number not in (3, 4))

    def _processes(self) -> Iterator[_Process]:
        for folder in self._proc.iterdir():
            if folder.name.isdigit():
                fields = _fields(folder / "stat")
                if len(fields) > 19:
                    # With what its children had that have ended: else whatever lives for a moment would not count.
                    ticks = sum(map(int, fields[11:15]))
                    yield _Process(pid=int(folder.name), parent=int(fields[1]), started=int(fields[19]), ticks=ticks)

    def _containers_of(self, process: _Process) -> frozenset[str]:
        """The ids of the containers that a process is in, one in the other."""
        try:
            return frozenset(_CONTAINER.findall((self._proc / str(process.pid) / "cgroup").read_text()))
        except OSError:
            return frozenset()

    def _descendants(self, processes: list[_Process]) -> set[int]:
        children: Mapping[int, list[int]] = _by_parent(processes)
        found, following = set[int](), [self._root]
        while following:
            pid = following.pop()
            if pid not in found:
                found.add(pid)
                following += children.get(pid, [])
        return found

    def _runnable(self, pid: int) -> int:
        """The threads of a process that want a processor."""
        try:
            tasks = os.listdir(self._proc / str(pid) / "task")  # noqa: PTH208 - thousands of names, a moment each
        except OSError:
            return 0
        return sum(_fields(self._proc / str(pid) / "task" / task / "stat")[:1] == ["R"] for task in tasks)


def _by_parent(processes: list[_Process]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for it in processes:
        found.setdefault(it.parent, []).append(it.pid)
    return found


def _fields(file: Path) -> list[str]:
    """The fields of proc_pid_stat(5) from the third on, the state; the name before it may hold anything."""
    try:
        return file.read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return []
