# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is among the groups of a run that wait for a job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from harness.waiting import cancelled

T = TypeVar("T")

_POLL_SECONDS = 0.25


class Turns(Generic[T]):
    """What is to be done, in its order; one that is not `ready`, or has not enough places, lets others go first.

    There are `places`; who needs more takes all. Places that other runs of the host hold are not known here.
    """

    def __init__(self, places: int, ready: Callable[[T], bool] = lambda each: True) -> None:
        self._places = self._free = places
        self._ready = ready
        self._waiting: list[tuple[T, int]] = []
        self._changed = threading.Condition()

    def add(self, waiting: Iterable[tuple[T, int]]) -> None:
        """Add some, each with the number of places that it needs."""
        with self._changed:
            self._waiting += [(each, min(places, self._places)) for each, places in waiting]
            self._changed.notify_all()

    @contextmanager
    def next(self) -> Iterator[T | None]:
        """Wait for one's turn and hold its places meanwhile; None when the run is being ended, or nothing waits."""
        found = self._take()
        if found is None:
            yield None
            return
        each, places = found
        try:
            yield each
        finally:
            with self._changed:
                self._free += places
                self._changed.notify_all()

    def _take(self) -> tuple[T, int] | None:
        with self._changed:
            while self._waiting and not cancelled():
                for number, (each, places) in enumerate(self._waiting):
                    if places <= self._free and self._ready(each):
                        self._free -= places
                        return self._waiting.pop(number)
                # Whoever ends the run, or makes one ready, notifies nobody; hence the time.
                self._changed.wait(_POLL_SECONDS)
        return None
