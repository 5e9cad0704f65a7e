# SPDX-License-Identifier: Apache-2.0
"""Which process a number means, so that none is ended that only got the number of another."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.late import psutil


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Which process: its number, the boot that it belongs to, and when in that boot it was started, in clock ticks.

    Unlike a start time in seconds, none of them moves when the clock is set (proc(5), field 22 of /proc/PID/stat).
    """

    pid: int
    boot: str
    ticks: int

    @property
    def alive(self) -> bool:
        """Whether exactly that process is running; one that only waits to be reaped is not."""
        return self.ticks > 0 and self == identity(self.pid)


def identity(pid: int) -> Identity | None:
    """Which process has this number now; None when there is none, or it only waits to be reaped."""
    ticks = _start_ticks(pid)
    return None if ticks is None else Identity(pid=pid, boot=boot_id(), ticks=ticks)


def boot_id() -> str:
    """The id of this boot of the machine; empty where the kernel has none (macOS)."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text().strip() if path.is_file() else ""


def _start_ticks(pid: int) -> int | None:
    if not Path("/proc/self/stat").exists():
        return _start_centiseconds(pid)
    try:
        # The program's name, in brackets, may itself hold blanks and brackets.
        # The kernel cuts it after 15 bytes, which may be in the middle of a letter.
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def _start_centiseconds(pid: int) -> int | None:
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else int(process.create_time() * 100)
    except psutil.NoSuchProcess:
        return None
