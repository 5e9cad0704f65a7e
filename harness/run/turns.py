# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is among the groups of a run that wait for a job, and for processors."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from harness.run.budget import Budget, Claim
from harness.waiting import cancelled

T = TypeVar("T")

_POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Turn(Generic[T]):
    """What is to be done now, and the processors that it holds."""

    each: T
    claim: Claim


class Turns(Generic[T]):
    """What is to be done, in its order; one that is not `ready`, or has to wait for processors, lets others go first.

    `waits` hears once of each that waits for processors, and why.
    """

    def __init__(
        self,
        budget: Budget,
        ready: Callable[[T], bool] = lambda each: True,
        waits: Callable[[T, str], None] = lambda each, why: None,
    ) -> None:
        self._budget = budget
        self._ready = ready
        self._waits = waits
        self._waiting: list[tuple[T, Claim]] = []
        self._changed = threading.Condition()

    def add(self, waiting: Iterable[tuple[T, float, str]]) -> None:
        """Add some, each with the number of processors that it needs, and what it is in words."""
        with self._changed:
            self._waiting += [(each, self._budget.claim(processors, what)) for each, processors, what in waiting]
            self._changed.notify_all()

    @contextmanager
    def next(self) -> Iterator[Turn[T] | None]:
        """Wait for one's turn and hold its processors meanwhile; None when the run is being ended, or nothing waits.

        Raises HostError when the processors cannot be shared out.
        """
        turn = self._take()
        try:
            yield turn
        finally:
            if turn is not None:
                turn.claim.give_back()
            with self._changed:
                self._changed.notify_all()

    def _take(self) -> Turn[T] | None:
        with self._changed:
            while self._waiting and not cancelled():
                found = self._first()
                if found is not None:
                    return found
                # Whoever ends the run, makes one ready or belongs to another run notifies nobody; hence the time.
                self._changed.wait(_POLL_SECONDS)
        if cancelled():
            self.close()
        return None

    def close(self) -> None:
        """Let none of those that wait begin: they leave the queue of all runs."""
        with self._changed:
            for _, claim in self._waiting:
                claim.give_back()
            self._waiting.clear()
            self._changed.notify_all()

    def _first(self) -> Turn[T] | None:
        """The first that can begin. The first of those that have to wait stands in the queue of all runs."""
        refused: Claim | None = None
        for number, (each, claim) in enumerate(self._waiting):
            if not self._ready(each) or (refused is not None and claim.need >= refused.need):
                continue
            queued = claim.taking is not None
            if claim.granted(queue=refused is None):
                self._waiting.pop(number)
                return Turn(each=each, claim=claim)
            if claim.taking is not None and not queued:
                self._waits(each, self._budget.why(claim))
            if refused is None or claim.need < refused.need:
                refused = claim
        return None
