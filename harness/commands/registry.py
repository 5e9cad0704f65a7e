# SPDX-License-Identifier: Apache-2.0
"""The `harness registry` command; its actions are declared by the modules that implement them."""

from __future__ import annotations

from typing import Any

from harness import options as run_options
from harness.commands import registry_local, registry_transfer


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `registry` with its actions to the parser of `harness`."""
    registry = command(commands, "registry", None, "local registries that behave like ghcr.io and docker.io")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    registry_local.declare(actions, command)
    registry_transfer.declare(actions, command)
