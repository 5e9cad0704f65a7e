# SPDX-License-Identifier: Apache-2.0
"""How this machine's clock is set, which is not everywhere the same."""

from __future__ import annotations

import platform

from harness.host import packages


def how_to_set() -> str:
    """The command, or where the clock is."""
    if platform.system() == "Darwin":
        return "sudo sntp -sS time.apple.com"
    if "microsoft" in platform.release().lower():
        # The clock of WSL stands still while Windows sleeps.
        return "sudo hwclock --hctosys, or in Windows: wsl --shutdown"
    if packages.systemd_runs():
        return "sudo timedatectl set-ntp true"
    return "with this system's service for it, such as chronyd; the clock of a container is that of its host"
