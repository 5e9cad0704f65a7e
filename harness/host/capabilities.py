# SPDX-License-Identifier: Apache-2.0
"""Capabilities and cgroups of this host, as the kernel reports them."""

from __future__ import annotations

from pathlib import Path

from harness.host import oci_wrapper

NEEDED_BY_NODES = ("CAP_SYS_ADMIN", "CAP_NET_ADMIN", "CAP_SYS_RESOURCE")
"""Capabilities that a privileged node container needs; only the last one is optional."""


def missing(pid: int | None = None) -> frozenset[str]:
    """Capabilities outside the bounding set of a process (default: this one); empty where there is no /proc."""
    status = Path(f"/proc/{pid or 'self'}/status")
    try:
        text = status.read_text()
    except OSError:
        return frozenset()
    return oci_wrapper.missing_capabilities(oci_wrapper.bounding_set(text))


def cgroup_version() -> int:
    """1 or 2 by what is mounted on /sys/fs/cgroup, 0 where there is none."""
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").is_file():
        return 2
    return 1 if root.is_dir() and any(root.iterdir()) else 0
