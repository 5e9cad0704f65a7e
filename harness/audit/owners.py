# SPDX-License-Identifier: Apache-2.0
"""What a place in a text belongs to: the keys around it, in YAML by indentation, elsewhere by brackets."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property

_KEY_BEFORE = re.compile(r"[\"']?([A-Za-z_][\w./-]*)[\"']?\]?\s*(?::=|\?=|[:=])\s*[|>]?[-+]?\s*(?:[*!]|\[\]\w+\s*)?$")
_KEY_LINE = re.compile(r"\s*(?:-\s+)*[\"']?([A-Za-z_][\w./-]*)[\"']?\s*(?:[:?+]?=|:)(?:\s|$)")
_BLOCK_LINE = re.compile(r"\s*(?:resource|module|data|variable)?\s*\"?([\w-]+)\"?(?:\s+\"[^\"]*\")*\s*\{\s*$")
# `"--operator-image", default="…"` of argparse and click
_OPTION = re.compile(r"[\"']--?([A-Za-z][\w-]*)[\"'][^()]{0,300}$")
_FARTHEST = 2000
_LONG, _NEAR = 5000, 300
"""More letters have only lines that no person has written; so many of them are looked at before each name."""
_LONGEST_KEY = 120
_MOST = 8


class Lines:
    """A text with its lines; lines and columns count from 1."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._owners: dict[int, list[str]] = {}

    @cached_property
    def all(self) -> list[str]:
        """The lines, without their ends."""
        return [line.rstrip("\r") for line in self.text.split("\n")]

    @cached_property
    def _starts(self) -> list[int]:
        starts, place = [0], self.text.find("\n")
        while place >= 0:
            starts.append(place + 1)
            place = self.text.find("\n", place + 1)
        return starts

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def start(self, line: int) -> int:
        """The offset where a line begins."""
        return self._starts[line - 1]

    def below(self, number: int) -> int:
        """The offset where the block below a key ends, by the number of the key's line."""
        last, own = number, indent(self.all[number - 1])
        while last < len(self.all) and (not self.all[last].strip() or indent(self.all[last]) > own):
            last += 1
        return self.start(last) + len(self.all[last - 1]) + 1

    def before(self, offset: int) -> str:
        """What stands before an offset on its line, without the beginning of a very long one."""
        line, _ = self.place(offset)
        return self.text[max(self.start(line), offset - (_NEAR if self.is_long(line) else _FARTHEST)) : offset]

    def is_long(self, line: int) -> bool:
        """Whether a line is one that no person has written, and may have thousands of names."""
        return len(self.all[line - 1]) > _LONG

    def owners(self, offset: int) -> list[str]:
        """The keys around an offset, the nearest first; a few of them."""
        if offset not in self._owners:
            line, _ = self.place(offset)
            self._owners[offset] = [*self._by_brackets(offset), *self._by_indentation(line)][:_MOST]
        return self._owners[offset]

    def _by_brackets(self, offset: int) -> Iterator[str]:
        """The key of the value at an offset, and the keys of the brackets that are open there."""
        first = max(0, offset - _FARTHEST)
        begin = max(offset - _LONGEST_KEY, self.text.rfind("\n", first, offset) + 1, 0)
        key = _KEY_BEFORE.search(self.text, begin, _quote(self.text, offset))
        if key:
            option = _OPTION.search(self.text, first, key.start()) if key[1] == "default" else None
            yield option[1] if option else key[1]
        depth = 0
        for place in range(offset - 1, first - 1, -1):
            letter = self.text[place]
            if letter in ")]}":
                depth += 1
            elif letter in "([{":
                if depth:
                    depth -= 1
                    continue
                begin = self.text.rfind("\n", max(0, place - _LONGEST_KEY), place) + 1
                key = _KEY_BEFORE.search(self.text, max(begin, place - _LONGEST_KEY), place)
                if key:
                    yield key[1]

    def _by_indentation(self, number: int) -> Iterator[str]:
        lines = self.all
        here = lines[number - 1]
        own = indent(here)
        is_item = here.lstrip().startswith("- ")
        own_key = _KEY_LINE.match(here)
        if own_key:
            yield own_key[1]
        for line in reversed(lines[max(0, number - 200) : number - 1]):
            if not line.strip() or line.lstrip().startswith(("#", "//")):
                continue
            below = indent(line)
            if below > own or (below == own and not is_item) or (below == own and line.lstrip().startswith("-")):
                continue
            key = _KEY_LINE.match(line) or _BLOCK_LINE.match(line)
            own, is_item = below, line.lstrip().startswith("- ")
            if key:
                yield key[1]
            if own == 0 and not is_item:
                return


def indent(line: str) -> int:
    """The column where a line begins, counted from 0."""
    return len(line) - len(line.lstrip())


def _quote(text: str, offset: int) -> int:
    """The offset of the quote before a value, or of the value."""
    while offset > 0 and text[offset - 1] in "\"'`":
        offset -= 1
    return offset
