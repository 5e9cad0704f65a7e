# SPDX-License-Identifier: Apache-2.0
"""The command `harness completion`: a script that lets a shell complete the command's words, written by shtab."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from harness import options as run_options

_SHELLS = ("bash", "zsh", "tcsh")
_FILES = ("FILE", "CHART", "LOCK", "DIR|IMAGE")
_FOLDERS = ("DIR", "RUN", "BEFORE", "AFTER")


def declare(commands: Any, command: run_options.Command, whole: Callable[[], argparse.ArgumentParser]) -> None:
    """Add `completion` to the parser of `harness`, which `whole` returns once it is complete."""

    def act(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
        print(script(whole(), parsed.shell))
        return 0

    completion = command(commands, "completion", act, "print a shell completion script")
    completion.add_argument("shell", choices=_SHELLS, help="the shell that the script is for")


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """The script for a shell: words, and files or folders where an argument is one."""
    import shtab

    for action in _actions(parser):
        if action.metavar in _FILES:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
        elif action.metavar in _FOLDERS:
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell))


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every argument of the command and of its subcommands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)
