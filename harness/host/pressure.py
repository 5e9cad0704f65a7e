# SPDX-License-Identifier: Apache-2.0
"""How much room a host has left at this moment: disk, memory and processors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness.host import disk


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """The host at one moment. Free disk and available memory are in bytes; `disk` is the folder with the least.

    `load` is how many programs wanted a processor at a time, on average over the last five minutes, for each processor
    that there is.
    """

    disk_free: int
    disk: str
    memory_available: int
    load: float = 0.0


def look(folders: Iterable[Path]) -> HostSeen:
    """Look at the disks of these folders, which need not exist, at the memory and the processors."""
    free, folder = min((disk.free(folder), str(folder)) for folder in folders)
    return HostSeen(
        disk_free=free,
        disk=folder,
        memory_available=psutil.virtual_memory().available,
        load=psutil.getloadavg()[1] / (psutil.cpu_count() or 1),
    )
