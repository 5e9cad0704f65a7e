# SPDX-License-Identifier: Apache-2.0
"""What a cluster holds of the processors, and how its scenarios find room beside each other.

One scenario at a time runs on what the cluster holds anyway, so that each cluster gets on whatever the others take.
Only on a crowded machine it waits for clusters that come first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.run.budget import Budget, Claim
from harness.run.slots import Slots
from harness.waiting import Cancelled, cancelled

_POLL_SECONDS = 0.25

_SYSTEM_MIB = 400
"""What the control plane, the network and the operator ask for on a node."""

_POD_MIB = 900
"""What a driver or an executor of a scenario asks for: 512 MiB, with Spark's least overhead of 384."""

_USUAL_PODS = 2
"""A driver and an executor."""

_MOST_PODS = 3
"""Those of the scenario that has most: dynamic-allocation."""


def fitting(scenarios: int, memory_mib: int) -> int:
    """How many of so many scenarios may run at a time on nodes of so much memory, in MiB; zero is not known.

    More than that could fill a node with drivers, each of which would wait for executors that never find room.
    """
    if not memory_mib:
        return scenarios
    beside = (memory_mib - _SYSTEM_MIB - _MOST_PODS * _POD_MIB) // (_USUAL_PODS * _POD_MIB)
    return min(scenarios, 1 + max(0, beside))


class Share:
    """The room for the scenarios of one cluster, which is `name` in words. May be used by several threads."""

    def __init__(
        self, budget: Budget, scenarios: Slots, *, further: float, name: str, say: Callable[[str], None]
    ) -> None:
        """`further` is what each scenario takes beside the first; `scenarios` are the places for all of a host."""
        self._budget = budget
        self._scenarios = scenarios
        self._further = further
        self._name = name
        self._say = say
        self._seat_free = True
        self._told = False
        self.held: Claim | None = None
        """What the cluster holds."""

    @contextmanager
    def place(self) -> Iterator[float]:
        """Room for one scenario, and for how many seconds it was waited for. Raises Cancelled and HostError."""
        asked = time.monotonic()
        leave = self._enter()
        try:
            # Who holds a place of the host has its processors already, so that nobody waits holding what others need.
            with self._scenarios.some():
                yield time.monotonic() - asked
        finally:
            leave()

    def _enter(self) -> Callable[[], None]:
        """Wait for the seat, or for further processors; returns what gives them back."""
        claim = self._budget.claim(self._further, f"a scenario of {self._name}")
        try:
            while (behind := self._behind()) or not self._sit_down():
                if not behind and claim.granted():
                    return claim.give_back
                why = behind or self._budget.why(claim)
                if cancelled():
                    raise Cancelled(f"a scenario {why}: the run is being ended")
                self._tell(why)
                with self._budget.changed:
                    if behind or not self._seat_free:
                        self._budget.changed.wait(_POLL_SECONDS)
        except BaseException:
            claim.give_back()
            raise
        claim.give_back()
        return self._stand_up

    def _behind(self) -> str:
        """Why nothing more is to begin on this cluster now; empty when it may."""
        return self._budget.gives_way(self.held) if self.held else ""

    def _sit_down(self) -> bool:
        with self._budget.changed:
            free, self._seat_free = self._seat_free, False
            return free

    def _stand_up(self) -> None:
        with self._budget.changed:
            self._seat_free = True
            self._budget.changed.notify_all()

    def _tell(self, why: str) -> None:
        """Say once what the scenarios wait for: it is the same for each."""
        if not self._told:
            self._told = True
            self._say(f"a scenario {why}")
