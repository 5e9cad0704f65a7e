# SPDX-License-Identifier: Apache-2.0
"""How much of the host's load a run makes itself: counted while the processors are short, told when a cell went wrong.

What the run has running is its own programs, the nodes of its clusters, and its registries. A load that it makes is a
mistake of the harness, which is to start no more than the host can bear.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable
from itertools import pairwise

from harness.cleanup.engine import DockerObject, containers
from harness.errors import HarnessError
from harness.host import pressure
from harness.host.runnable import Census, Runnable

_EVERY_SECONDS = 10.0
_MOST_SAMPLES = 5000
_SHORT = 3.0
"""With fewer runnable threads for each processor nobody will ask whose they were, so that they are not counted."""


class OwnLoad:
    """Counts from `start` to `stop`. `is_own` says whether something in the container engine is the run's."""

    def __init__(self, is_own: Callable[[DockerObject], bool]) -> None:
        self._is_own = is_own
        self._known: dict[str, bool] = {}
        self._census = Census(os.getpid(), self._own)
        self._samples: deque[tuple[float, Runnable]] = deque(maxlen=_MOST_SAMPLES)
        self._ended = threading.Event()
        self._counting = threading.Lock()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Count now and then, in a thread of its own."""
        self._thread = threading.Thread(target=self._watch, name="own-load", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Count no more."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def since(self, moment: float) -> float | None:
        """The run's part of the load since a moment of the monotonic clock, from 0 to 1.

        That is its part of what wanted processors, or of the time that they were busy, whichever is less: threads of
        the run that wait because others have the processors are not its doing, nor are others' at a low priority. None
        when it cannot be told: the kernel does not say, or the containers are on another machine.
        """
        self._count()
        found = [it for at, it in list(self._samples) if at >= moment]
        wanted = sum(it.total for it in found)
        pairs = list(pairwise(found))
        busy = sum(after.ticks - before.ticks for before, after in pairs)
        if not wanted or not busy:
            return None
        # What a cluster that is gone had is no longer to be seen.
        had = sum(max(0, after.own_ticks - before.own_ticks) for before, after in pairs)
        return min(sum(it.own for it in found) / wanted, had / busy, 1.0)

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            if pressure.of_last_minute() >= _SHORT:
                self._count()

    def _count(self) -> None:
        with self._counting:
            found = self._census.count()
            if found is not None:
                self._samples.append((time.monotonic(), found))

    def _own(self, ids: frozenset[str]) -> frozenset[str]:
        """Those of the run. The engine is asked only when there is one that was not there before."""
        if ids - self._known.keys():
            try:
                self._known |= {it.id: self._is_own(it) for it in containers()}
            except HarnessError:
                return frozenset()
            # What the engine does not know is somebody else's: another engine's, or gone.
            self._known |= dict.fromkeys(ids - self._known.keys(), False)
        return frozenset(it for it in ids if self._known[it])
