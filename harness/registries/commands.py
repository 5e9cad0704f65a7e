# SPDX-License-Identifier: Apache-2.0
"""The `harness registry` command: each feature declares its own actions."""

from __future__ import annotations

from typing import Any

from harness.registries import front_commands, transfer_commands
from harness.run import options as run_options


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `registry` with its actions to the parser of `harness`."""
    registry = command(commands, "registry", None, "local registries that behave like ghcr.io and docker.io")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    front_commands.declare(actions, command)
    transfer_commands.declare(actions, command)
