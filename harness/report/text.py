# SPDX-License-Identifier: Apache-2.0
"""Makes text from programs and clusters safe for terminals and XML."""

from __future__ import annotations

import io
import re

from rich.console import Console, RenderableType

_LOG_COLUMNS = 160

# XML 1.0 cannot hold these, not even escaped (https://www.w3.org/TR/xml/#charsets); C1 controls steer terminals too.
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


def plain(text: str) -> str:
    """The text without terminal escapes; other control characters are replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _COLOUR.sub("", text))


def first_line(text: str) -> str:
    """The first line, without terminal escapes."""
    return plain(text).partition("\n")[0]


def wide_console() -> Console:
    """A console for tables: as wide as the terminal, or in a log wide enough for names of cells and artefacts."""
    console = Console(soft_wrap=True, highlight=False)
    return console if console.is_terminal else Console(soft_wrap=True, highlight=False, width=_LOG_COLUMNS)


def lines_of(shown: RenderableType) -> list[str]:
    """A table as lines of plain text."""
    console = Console(file=io.StringIO(), width=_LOG_COLUMNS, highlight=False, color_system=None)
    with console.capture() as captured:
        console.print(shown)
    return [line.rstrip() for line in captured.get().splitlines()]
