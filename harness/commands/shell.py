# SPDX-License-Identifier: Apache-2.0
"""The command `harness shell`: a shell or a command in a cluster that a run has kept."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `shell` to the parser of `harness`."""
    shell = command(commands, "shell", _shell, "open a shell in a kept cluster, or run in it the command after --")
    shell.add_argument("cell", nargs="?", metavar="CELL", help="a cell whose cluster was kept")
    shell.add_argument(
        "--run", metavar="ID", default="", help="the run whose kept cluster to use (default: the latest)"
    )
    shell.add_argument(
        "--node",
        nargs="?",
        const="",
        default=None,
        metavar="NAME",
        help="open the shell on a node (default: the first)",
    )
    shell.add_argument("--list", action="store_true", help="list the kept clusters of all runs")
    shell.set_defaults(program=[])
    run_options.declare(shell.add_argument, run_options.CONFIG)


def _shell(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.run import kept, shell

    wanted = run_options.settings_of(parsed)
    if parsed.list:
        if parsed.cell is not None or parsed.node is not None or parsed.program:
            raise UsageError("--list cannot be combined with a cell, --node or a command", "leave out one of them")
        if parsed.run:
            raise UsageError("--list and --run cannot be combined: it lists those of all runs", "leave out one of them")
        clusters = kept.kept_clusters(wanted)
        wide_console().print(shell.listing(clusters) if clusters else "no cluster is kept; --keep keeps those of a run")
        return 0
    if parsed.cell is None:
        raise UsageError(
            "harness shell needs the id of a cell whose cluster was kept", "`harness shell --list` lists them"
        )
    found = kept.find(wanted, parsed.cell, parsed.run)
    if parsed.node is not None:
        return shell.open_node(found, parsed.node, parsed.program)
    return shell.open_shell(found, parsed.cell, parsed.program)
