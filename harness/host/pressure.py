# SPDX-License-Identifier: Apache-2.0
"""The host's free resources at this moment: disk, memory and processors."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.host import disk
from harness.machine import HostSeen

_FADES_IN = 300.0
_LEAST_SECONDS = 30.0
"""The kernel counts every five seconds: less time than this says nothing about an average."""


@dataclass(frozen=True)
class Mark:
    """A moment by the monotonic clock, in seconds, with the five minutes' load of then."""

    at: float
    load: float

    @classmethod
    def now(cls) -> Mark:
        """This moment."""
        return cls(time.monotonic(), psutil.getloadavg()[1])

    def load_since(self, now: Mark) -> float:
        """The average load between the two.

        The kernel lets what it has seen fade with e^(-t/300 s) (kernel/sched/loadavg.c), so that what was before the
        mark can be taken off again.
        """
        fades = math.exp(-max(now.at - self.at, _LEAST_SECONDS) / _FADES_IN)
        return max(0.0, (now.load - self.load * fades) / (1 - fades))


def of_last_minute() -> float:
    """How many processes wanted each processor, on average over the last minute."""
    return psutil.getloadavg()[0] / (psutil.cpu_count() or 1)


def look(folders: Iterable[Path], since: Mark | None = None) -> HostSeen:
    """Measure the disks of these folders, which need not exist, the memory and the processors."""
    now = Mark.now()
    free, folder = min((disk.free(folder), str(folder)) for folder in folders)
    return HostSeen(
        disk_free=free,
        disk=folder,
        memory_available=psutil.virtual_memory().available,
        load=(since.load_since(now) if since else now.load) / (psutil.cpu_count() or 1),
    )
