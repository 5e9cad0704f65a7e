# SPDX-License-Identifier: Apache-2.0
"""Places for work that a host can do only so much of at a time, counted over all runs on this host.

Each place is a locked file in the cache, so that a run that was killed gives up its places.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harness.waiting import Cancelled, cancelled

_POLL_SECONDS = 0.25

CREATIONS = 2
"""Clusters that are created at a time; kind loses its way with more (kind issue #1288)."""


class Slots:
    """`count` places of one kind. Two runs with different counts share the lower places."""

    def __init__(self, folder: Path, kind: str, count: int) -> None:
        self._files = [folder / f"{kind}-{number}.lock" for number in range(count)]
        self._kind = kind
        self._free = threading.Condition()
        self._taken: set[Path] = set()

    @contextmanager
    def some(self, number: int = 1, waits: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold so many places, or all where there are fewer; `waits` is called when they are not free at once.

        Raises Cancelled when the run is being ended while it waits.
        """
        locks = self._take(min(number, len(self._files)), waits)
        try:
            yield
        finally:
            with self._free:
                self._give_back(locks)
                self._free.notify_all()

    def _take(self, number: int, waits: Callable[[], None]) -> list[FileLock]:
        told = False
        while True:
            if cancelled():
                raise Cancelled(
                    f"waiting for {number} of {len(self._files)} {self._kind} places: the run is being ended"
                )
            with self._free:
                held = self._free_ones(number)
                if len(held) == number:
                    return held
                # Whoever waits holds nothing: two that hold one each would wait for each other. That is no news for the
                # others, who would wake each other without end.
                self._give_back(held)
                # Another process cannot notify; hence the time.
                if told:
                    self._free.wait(_POLL_SECONDS)
            if not told:
                told = True
                waits()

    def _free_ones(self, number: int) -> list[FileLock]:
        """At most so many places that were free, locked."""
        held: list[FileLock] = []
        for file in self._files:
            # A file lock is one process's; who holds it in this process is counted here.
            if len(held) == number or file in self._taken:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(file, thread_local=False)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                continue
            self._taken.add(file)
            held.append(lock)
        return held

    def _give_back(self, locks: list[FileLock]) -> None:
        for lock in locks:
            lock.release()
            self._taken.discard(Path(lock.lock_file))
