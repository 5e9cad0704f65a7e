# SPDX-License-Identifier: Apache-2.0
"""How many processors this process may use: the host's, less what an affinity or a control group keeps from it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")


def usable(proc: Path = _PROC) -> float:
    """The processors that this process may use; with a fraction where a control group grants part of one.

    `proc` is the process's folder in /proc. In a container with two processors on a host with 64 these are two,
    whether the engine gave it a set of processors or a quota of their time.
    """
    found = [float(_allowed()), *_quotas(proc)]
    return max(0.1, round(min(found), 2))


def _allowed() -> int:
    """The processors that the scheduler may choose from: sets of control groups are in the affinity, too."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) or 1
    return os.cpu_count() or 1


@dataclass(frozen=True)
class _Mount:
    """A mounted hierarchy of control groups: `root` is the group that is seen at `point`."""

    root: str
    point: Path
    unified: bool


def _quotas(proc: Path) -> Iterator[float]:
    """The processors that each control group above this process grants, where one has a limit.

    The files are those of Documentation/admin-guide/cgroup-v2.rst (cpu.max) and Documentation/scheduler/sched-bwc.rst
    (cpu.cfs_quota_us, cpu.cfs_period_us) in the kernel's sources.
    """
    own = _own_groups(proc)
    for mount in _mounts(proc):
        group = own.get("" if mount.unified else "cpu")
        if group is not None:
            for folder in _upwards(mount, group):
                quota = _of_unified(folder) if mount.unified else _of_v1(folder)
                if quota is not None:
                    yield quota


def _own_groups(proc: Path) -> dict[str, str]:
    """Controller → this process's control group; that of the unified hierarchy has no controller's name."""
    found: dict[str, str] = {}
    for line in _lines(proc / "cgroup"):
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        found |= dict.fromkeys(controllers.split(","), group)
    return found


def _mounts(proc: Path) -> Iterator[_Mount]:
    """The hierarchies that can have a quota (proc_pid_mountinfo(5))."""
    for line in _lines(proc / "mountinfo"):
        before, _, after = line.partition(" - ")
        fields, filesystem = before.split(), after.split()
        if len(fields) < 5 or not filesystem:
            continue
        unified = filesystem[0] == "cgroup2"
        if unified or (filesystem[0] == "cgroup" and "cpu" in filesystem[-1].split(",")):
            yield _Mount(root=fields[3], point=Path(fields[4]), unified=unified)


def _upwards(mount: _Mount, group: str) -> Iterator[Path]:
    """The folders of a group and of those above it, as far as they are mounted.

    A container without a namespace of its own for control groups names its group as the host does, and mounts only it.
    """
    root = mount.root.rstrip("/")
    inside = group.removeprefix(root) if group == root or group.startswith(f"{root}/") else ""
    folder = mount.point / inside.strip("/")
    yield folder
    while folder != mount.point and mount.point in folder.parents:
        folder = folder.parent
        yield folder


def _of_unified(folder: Path) -> float | None:
    words = " ".join(_lines(folder / "cpu.max")).split()
    return _quotient(words[0], words[1]) if len(words) == 2 else None


def _of_v1(folder: Path) -> float | None:
    quota, period = (" ".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return _quotient(quota, period)


def _quotient(quota: str, period: str) -> float | None:
    """None without a limit, which v2 writes as `max` and v1 as -1."""
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _lines(file: Path) -> list[str]:
    """Empty where there is no such file, or it may not be read: then it limits nothing that is known."""
    try:
        # A mount point may have any bytes in its name.
        return file.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return []
