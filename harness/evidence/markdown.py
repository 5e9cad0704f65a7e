# SPDX-License-Identifier: Apache-2.0
"""Text from programs and clusters in pages of Markdown: nothing in it is markup, and no terminal obeys it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.matrix import links

# XML 1.0 cannot hold these, not even escaped (https://www.w3.org/TR/xml/#charsets); C1 controls steer terminals too,
# and what turns the direction of writing shows another text than there is (https://www.unicode.org/reports/tr9/).
_CONTROL = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_LINE_END = re.compile(r"\r\n?")
_COLOUR = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
# An operating system command: a title, a link, what goes into the clipboard.
_COMMAND = re.compile(r"\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)")

_MARKUP = re.compile(r"[\\`*\[\]~]|(?<![^\W_])_|_(?![^\W_])")
_BEGINS_BLOCK = re.compile(r"^([ \t]*)([#>+=|-]|:(?=-))", re.MULTILINE)
# What GitHub makes a link or a mention without any markup: addresses, also of e-mail
# (https://github.github.com/gfm/#autolinks-extension-), people and teams, issues.
_ADDRESS = re.compile(r"(?P<scheme>https?|ftp|mailto|xmpp):(?=\S)|(?<!\w)(?P<www>www)\.(?=\w)", re.I)
_MAIL = re.compile(r"(?<=[\w.+-])@(?=[\w-]+\.\w)")
_LOCAL_PART = re.compile(r"[\w.+-]")
_MENTION = re.compile(r"(?<!\w)@(?=\w)")
_ISSUE = re.compile(r"(?P<sign>(?<!&)#|\bGH-)(?=\d)")
_APART = "\N{ZERO WIDTH SPACE}"
_SOURCE = re.compile(r"https://[^\s<>\"'`]+")
_FENCE = re.compile(r"`{3,}")


def plain(text: str) -> str:
    """The text without terminal escapes, and with one kind of line ends; other control characters are replaced."""
    lines = _LINE_END.sub("\n", _COLOUR.sub("", _COMMAND.sub("", text)))
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", lines)


def prose(text: str) -> str:
    """The text as it reads: no fence, image, link, heading, mention or element begins in it.

    Only the addresses that the catalogues give as sources are links.
    """
    safe, done = plain(text), 0
    told = []
    for found in _SOURCE.finditer(safe):
        address = found[0].rstrip(".,;:!?)]")
        if address in links.own():
            told += [_escaped(safe[done : found.start()]), f"<{address}>"]
            done = found.start() + len(address)
    return "".join((*told, _escaped(safe[done:])))


def _escaped(text: str) -> str:
    safe = _MARKUP.sub(r"\\\g<0>", text)
    safe = _BEGINS_BLOCK.sub(r"\1\\\2", safe)
    safe = _ISSUE.sub(rf"\g<sign>{_APART}", safe)
    safe = safe.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if safe.count("$") > 1:
        # GitHub sets as a formula what is between two
        # (https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/writing-mathematical-expressions).
        safe = safe.replace("$", "<span>$</span>")
    safe = _ADDRESS.sub(lambda it: f"{it['scheme']}:{_APART}" if it["scheme"] else f"{it['www']}{_APART}.", safe)
    return _MENTION.sub(f"@{_APART}", _MAIL.sub(_mail, safe))


def _mail(sign: re.Match[str]) -> str:
    """The sign of an e-mail address, apart from what follows; of a release on a registry, 2.2.1@docker.io, as it is."""
    start = sign.start()
    while start and _LOCAL_PART.match(sign.string[start - 1]):
        start -= 1
    is_version = not re.search(r"[^\d.]", sign.string[start : sign.start()])
    return "@" if is_version else f"@{_APART}"


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
