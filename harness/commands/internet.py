# SPDX-License-Identifier: Apache-2.0
"""The command `harness internet`: a small internet on this machine, in which the public registries are rehearsed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import options as run_options
from harness.errors import UsageError

if TYPE_CHECKING:
    from harness.settings import Settings


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `internet` to the parser of `harness`."""
    parser = command(
        commands,
        "internet",
        _internet,
        "rehearse the source upstream in a small internet on this machine, or run in it the command after --",
    )
    parser.add_argument(
        "--step", action="append", default=[], metavar="NAME", help="a step of the rehearsal (may be repeated)"
    )
    parser.add_argument("--list", action="store_true", help="list the steps")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="the folder for logs (default: internet in the reports)"
    )
    parser.set_defaults(program=[])
    run_options.declare(parser.add_argument, run_options.CONFIG)


def _internet(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.internet import host, steps
    from harness.internet.content import Content
    from harness.internet.every_step import every_step
    from harness.matrix import catalogue

    if parsed.list and (parsed.step or parsed.program or parsed.output):
        raise UsageError("--list runs nothing: it takes no step, no folder and no command", "omit them, or --list")
    if parsed.list:
        for step in every_step():
            print(f"{step.name:12} {step.about}")
        return 0
    if parsed.program and parsed.step:
        raise UsageError("--step and a command after -- were both given", "give one of them")
    steps.chosen(every_step(), parsed.step)
    wanted: Settings = run_options.settings_of(parsed)
    return host.run(
        wanted,
        Content.of(wanted, catalogue.of(wanted)),
        say=print,
        output=(parsed.output or wanted.reports_dir / "internet").absolute(),
        argv=parsed.program,
        steps=parsed.step,
    )
