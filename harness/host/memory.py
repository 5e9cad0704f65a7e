# SPDX-License-Identifier: Apache-2.0
"""How much memory this process has taken at most, and how much the machine has."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path

_MARK = "VmHWM:"


def peak_mib(status: Path = Path("/proc/self/status")) -> float:
    """The most memory that this process has had resident, in MiB.

    Linux's getrusage(2) counts the peak of whoever started the process as well: execve(2) takes over what the memory
    before it had come to, and that is the parent's after vfork(2) (fs/exec.c, exec_mmap). proc(5) tells the process's
    own; other systems have only the former.
    """
    lines = status.read_text().splitlines() if status.is_file() else []
    own = next((line for line in lines if line.startswith(_MARK)), "")
    if own:
        return int(own.removeprefix(_MARK).split()[0]) / 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (1 << 20) if sys.platform == "darwin" else most / 1024


def total_mib() -> int:
    """The memory of this machine, in MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
