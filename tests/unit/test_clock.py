# SPDX-License-Identifier: Apache-2.0
"""How the clock is set on systems of which this machine is one."""

from __future__ import annotations

import platform

import pytest

from harness.host import clock, packages


@pytest.mark.parametrize(
    ("system", "release", "systemd", "says"),
    [
        ("Darwin", "25.0.0", False, "sntp"),
        ("Linux", "6.6.87.2-microsoft-standard-WSL2", True, "hwclock"),
        ("Linux", "6.8.0-45-generic", True, "timedatectl"),
        ("Linux", "6.8.0-45-generic", False, "of a container is that of its host"),
    ],
)
def test_the_way_is_that_of_the_system(
    system: str, release: str, systemd: bool, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: release)
    monkeypatch.setattr(packages, "systemd_runs", lambda: systemd)

    assert says in clock.how_to_set()
