# SPDX-License-Identifier: Apache-2.0
"""What was observed of the machine that a run is on, as plain data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """The host at one moment. Free disk and available memory are in bytes; `disk` is the folder with the least.

    `load` is the average number of runnable processes per CPU: since a mark, or without one over the last five minutes.
    `own` is the part of that which was the run's own doing, from 0 to 1; None when that cannot be told.
    """

    disk_free: int
    disk: str
    memory_available: int
    load: float = 0.0
    own: float | None = None
