# SPDX-License-Identifier: Apache-2.0
"""The `harness registry` command: what of it each feature declares, and what it does."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import settings
from harness.report.text import wide_console
from harness.run import options as run_options

Command = Callable[[Any, str, Any, str], argparse.ArgumentParser]
"""Adds a subcommand: the parent's subparsers, its name, what it does, its help."""

_CONFIG = tuple(option for option in run_options.RUN_OPTIONS if option.flag == "--config")


def declare(commands: Any, command: Command) -> None:
    """Add `registry` with its actions to the parser of `harness`."""
    registry = command(commands, "registry", None, "local registries that behave like ghcr.io and docker.io")
    actions = registry.add_subparsers(dest="action", required=True, metavar="ACTION")
    _declare_fronts(actions, command)


def _declare_fronts(actions: Any, command: Command) -> None:
    status = command(actions, "status", _status, "list the local registries that are up")
    run_options.declare(status.add_argument, _CONFIG)


def _status(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.registries import fronts

    found = fronts.recorded(_settings(parsed))
    if not found:
        print("no local registry is up")
        return 0
    wide_console().print(fronts.table(found))
    return 0


def _settings(parsed: argparse.Namespace) -> settings.Settings:
    config = run_options.read(parsed).config
    return settings.load(file=Path(config) if config else None)
