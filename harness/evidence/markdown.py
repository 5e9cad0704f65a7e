# SPDX-License-Identifier: Apache-2.0
"""Text from programs and clusters in pages of Markdown: nothing in it is markup, and no terminal obeys it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# XML 1.0 cannot hold these, not even escaped (https://www.w3.org/TR/xml/#charsets); C1 controls steer terminals too.
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# An operating system command: a title, a link, what goes into the clipboard.
_COMMAND = re.compile(r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)")

_MARKUP = re.compile(r"[\\`*\[\]~]")
_BEGINS_BLOCK = re.compile(r"^([ \t]*)([#>+=|-])", re.MULTILINE)
# GitHub tells whoever is named; a digest or a release on a registry has a word before its sign.
_MENTION = re.compile(r"(?<![\w/.:-])@(?=[\w-])")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """The text without terminal escapes; other control characters are replaced."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", _COLOUR.sub("", _COMMAND.sub("", text)))


def prose(text: str) -> str:
    """The text as it reads: no fence, image, link, heading, mention or element begins in it."""
    safe = _MARKUP.sub(r"\\\g<0>", plain(text))
    safe = _BEGINS_BLOCK.sub(r"\1\\\2", safe)
    safe = safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MENTION.sub("@\N{ZERO WIDTH SPACE}", safe)


def cell(text: str) -> str:
    """The text in a cell of a table."""
    return " ".join(prose(text).split("\n")).replace("|", "\\|")


def code(text: str) -> str:
    """The text in backticks."""
    return f"`{' '.join(plain(text).replace('`', chr(39)).splitlines())}`"


def fenced(lines: Iterable[str], language: str = "") -> Iterator[str]:
    """Lines in a fence that is longer than any in them."""
    shown = [plain(line) for line in lines]
    fence = "`" * max(3, *(len(it) + 1 for it in ("", *(run for line in shown for run in _FENCE.findall(line)))))
    yield fence + language
    yield from shown
    yield fence
