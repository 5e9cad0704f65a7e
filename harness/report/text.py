# SPDX-License-Identifier: Apache-2.0
"""Makes text from programs and clusters safe for terminals and XML."""

from __future__ import annotations

import io

from rich.console import Console, RenderableType

from harness.evidence.markdown import plain

__all__ = ["first_line", "lines_of", "plain", "wide_console"]

_LOG_COLUMNS = 160


def first_line(text: str) -> str:
    """The first line, without terminal escapes."""
    return plain(text).partition("\n")[0]


class _Console(Console):
    """A console that leaves a reader who has gone away, such as head, to the command: rich would end with 1."""

    def on_broken_pipe(self) -> None:
        """Raise BrokenPipeError, which `harness.cli` knows."""
        raise BrokenPipeError


def wide_console() -> Console:
    """A console for tables: as wide as the terminal, or in a log wide enough for names of cells and artefacts."""
    console = _Console(soft_wrap=True, highlight=False)
    return console if console.is_terminal else _Console(soft_wrap=True, highlight=False, width=_LOG_COLUMNS)


def lines_of(shown: RenderableType) -> list[str]:
    """A table as lines of plain text."""
    console = Console(file=io.StringIO(), width=_LOG_COLUMNS, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]
