# SPDX-License-Identifier: Apache-2.0
"""Free disk space where the harness is going to write."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from harness.errors import DiskError

GIGABYTE = 1e9


def free(folder: Path) -> int:
    """Free bytes on the file system of a folder that need not exist yet."""
    return shutil.disk_usage(_existing(folder)).free


def require(folder: Path, needed: float, *, what: str) -> None:
    """Raise DiskError unless `needed` bytes are free; `what` names what they are for."""
    there = free(folder)
    if there < needed:
        raise DiskError(
            f"the disk of {folder} is nearly full: {there / GIGABYTE:.1f} GB are free, {what} needs "
            f"{needed / GIGABYTE:.1f} GB",
            "free some space (`harness foundry prune`, `docker system prune`), or set HARNESS_CACHE to another disk",
        )


def mount_points() -> list[Path]:
    """The mount points of this host (Linux only; the harness mounts nothing elsewhere).

    In proc_pid_mountinfo(5) the kernel writes blanks, tabs, line ends and backslashes as octal numbers.
    """
    try:
        lines = Path("/proc/self/mountinfo").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
    named = (line.split(" ")[4] for line in lines)
    return [Path(re.sub(r"\\([0-7]{3})", lambda it: chr(int(it[1], 8)), name)) for name in named]


def _existing(folder: Path) -> Path:
    # In folders of other users nothing can be seen, which is for `Path.exists` an error.
    return next(path for path in (folder, *folder.absolute().parents) if os.path.exists(path))  # noqa: PTH110
