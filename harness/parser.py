# SPDX-License-Identifier: Apache-2.0
"""The parser of `harness`, its commands and the measurements: argparse's, which takes nothing silently for another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from harness.errors import UsageError
from harness.settings import amount, natural, number, port, positive, whole
from harness.wording import without_endless


class Parser(argparse.ArgumentParser):
    """Refuses an option of one value that is given twice with different values, where argparse takes the last; and
    numbers that only Python writes so, such as `1_0`, `nan` or digits of other scripts.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.given: dict[str, object] = {}
        for action in (None, "store"):
            self.register("action", action, _Once)
        self.register("type", int, _told(whole))
        self.register("type", float, _told(number))
        for checked in (port, positive, natural, amount):
            self.register("type", checked, _told(checked))

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, which calls it also for the parsers of commands."""
        self.given = {}
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """As argparse's, and no longer than anybody reads."""
        super().error(without_endless(message))


class Beside(Parser):
    """Looks at options again that another program has parsed, as argparse does: those of cells that pytest is called
    with. Instead of ending, it raises UsageError.
    """

    def __init__(self) -> None:
        # pytest reads arguments from a file that is named so, too (_pytest/config/argparsing.py).
        super().__init__(add_help=False, allow_abbrev=False, fromfile_prefix_chars="@")

    def error(self, message: str) -> NoReturn:
        """The message as an error."""
        raise UsageError(without_endless(message))


class _Once(argparse.Action):
    """Stores a value."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if option_string and isinstance(parser, Parser):
            before = parser.given.setdefault(self.dest, values)
            if before != values:
                raise argparse.ArgumentError(
                    self, f"given twice, as {before!s:.80} and as {values!s:.80}; it takes one value: omit the other"
                )
        setattr(namespace, self.dest, values)


def _told(read: Any) -> Any:
    """A type of argparse, whose errors say what is wrong: of a ValueError, it would only name the type."""

    def typed(text: str) -> Any:
        try:
            return read(text)
        except ValueError as wrong:
            raise argparse.ArgumentTypeError(str(wrong)) from wrong

    return typed
