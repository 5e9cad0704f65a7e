# SPDX-License-Identifier: Apache-2.0
"""How many processors may be used, as the kernel's files tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import processors
from harness.settings import Settings

V2 = "0::/user.slice/run.scope"
V1 = "5:cpuset:/\n4:cpu,cpuacct:/docker/ab12\n0::/"


class Process:
    """A process's folder in /proc, with the hierarchies that it sees below `root`."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.root = folder / "cgroup"
        self.proc.mkdir()
        self.root.mkdir()

    def is_in(self, groups: str) -> None:
        (self.proc / "cgroup").write_text(f"{groups}\n")

    def sees(self, filesystem: str, *, root: str = "/", options: str = "rw") -> None:
        line = f"31 23 0:28 {root} {self.root} rw,relatime - {filesystem} {filesystem} {options}"
        (self.proc / "mountinfo").write_text(f"22 1 0:1 / / rw - ext4 /dev/vda rw\n{line}\n")

    def has(self, group: str, **files: str) -> None:
        folder = self.root / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Process:
    monkeypatch.setattr(processors, "_allowed", lambda: 64)
    return Process(tmp_path)


def test_without_control_groups_it_is_what_the_scheduler_may_choose_from(process: Process) -> None:
    assert processors.usable(process.proc) == 64


def test_the_lowest_quota_of_all_groups_above_counts(process: Process) -> None:
    process.is_in(V2)
    process.sees("cgroup2")
    process.has("user.slice/run.scope", cpu__max="max 100000")
    assert processors.usable(process.proc) == 64
    process.has("user.slice", cpu__max="250000 100000")
    assert processors.usable(process.proc) == 2.5
    process.has("user.slice/run.scope", cpu__max="50000 100000")
    assert processors.usable(process.proc) == 0.5


def test_a_container_with_a_view_of_its_own_has_its_quota_at_the_root(process: Process) -> None:
    process.is_in("0::/")
    process.sees("cgroup2")
    process.has("", cpu__max="200000 100000")
    assert processors.usable(process.proc) == 2


def test_the_first_version_of_control_groups_has_files_of_its_own(process: Process) -> None:
    process.is_in(V1)
    process.sees("cgroup", options="rw,cpu,cpuacct")
    process.has("docker/ab12", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert processors.usable(process.proc) == 64
    process.has("docker/ab12", cpu__cfs_quota_us="150000", cpu__cfs_period_us="50000")
    assert processors.usable(process.proc) == 3


def test_a_container_that_mounts_only_its_own_group_finds_it_there(process: Process) -> None:
    process.is_in(V1)
    process.sees("cgroup", root="/docker/ab12", options="rw,cpu,cpuacct")
    process.has("", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    assert processors.usable(process.proc) == 2


@pytest.mark.parametrize("text", ["", "max", "nonsense", "100 0", "1 2 3", "-1 100000"])
def test_what_cannot_be_read_limits_nothing(process: Process, text: str) -> None:
    process.is_in(V2)
    process.sees("cgroup2")
    process.has("user.slice/run.scope", cpu__max=text)
    assert processors.usable(process.proc) == 64


def test_another_controllers_hierarchy_says_nothing_about_processors(process: Process) -> None:
    process.is_in(V1)
    process.sees("cgroup", options="rw,memory")
    process.has("docker/ab12", cpu__cfs_quota_us="100000", cpu__cfs_period_us="100000")
    assert processors.usable(process.proc) == 64


def test_the_settings_have_what_may_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "_allowed", lambda: 2)
    made = Settings()
    assert made.processors <= 2
    assert made.app_slots <= 3


def test_a_mount_point_may_have_any_bytes_in_its_name(process: Process) -> None:
    process.is_in(V2)
    process.sees("cgroup2")
    mounts = process.proc / "mountinfo"
    mounts.write_bytes(b"40 1 8:1 / /media/\xfcbung rw - vfat /dev/sdb1 rw\n" + mounts.read_bytes())
    process.has("user.slice", cpu__max="250000 100000")

    assert processors.usable(process.proc) == 2.5
