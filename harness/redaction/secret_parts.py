# SPDX-License-Identifier: Apache-2.0
"""Which lines of a YAML document have to be parsed to find its secrets: most of what clusters print has none.

Only documents of the plain kind that kubectl and Helm print are cut; others are parsed as a whole.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

_QUOTED = r"""(?:"(?>(?:\\.|[^"\\])*)"|'(?>(?:''|[^'])*)')"""
_KEY = rf"""(?:{_QUOTED}|[\w./$~](?>(?:[\w./$~@+-]|:(?=[\w.]))*))"""
# Up to its last character that is no blank, in one pass
_TRIMMED = r"\S(?>(?:[^ \n]| ++(?=[^ \n]))*)"
_ENTRY = re.compile(rf"( *)((?:- +)*)(?:{_KEY}(?P<colon>:)(?: +(?P<value>{_TRIMMED}))?|(?P<item>{_TRIMMED})) *")
_COMMENT = r"(?: +#.*)?"
_BLOCK = re.compile(rf"[|>][+-]?{_COMMENT}")
_FLOW = re.compile(rf"""(?:\[(?>(?:{_QUOTED}|[^"'\[\]{{}}#])*)\]|\{{(?>(?:{_QUOTED}|[^"'\[\]{{}}#])*)\}}){_COMMENT}""")
_STRING = re.compile(rf"{_QUOTED}{_COMMENT}", re.DOTALL)
_PLAIN = re.compile(rf"""(?![\[\]{{}}\#&*!|>'"%@`,]|[?:-](?: |$))(?:(?!:(?: |$)| \#).)+{_COMMENT}""")
_MORE = re.compile(r"(?!\#)(?:(?!:(?: |$)| \#).)+")
# Other ends of lines, a tab, and marks of documents
_ODD = re.compile("[\r\t\x85\u2028\u2029]|^(?:---|\\.\\.\\.|%)")
_BEGIN = re.compile(rf"---{_COMMENT} *")
_MAX_STRING = 20_000


@dataclass(frozen=True)
class Part:
    """Some lines of a text, and where they are in it."""

    text: str
    begins: tuple[int, ...]
    places: tuple[int, ...]

    def place(self, index: int) -> int:
        """Where the character with this index is in the whole text."""
        at = bisect.bisect_right(self.begins, index) - 1
        return self.places[at] + index - self.begins[at]


def worth_parsing(lines: Sequence[str], telling: Iterable[int]) -> Part:
    """The collections with those lines which say that something in their collection may be a secret.

    What holds these collections stays, without what else it holds; all lines, if they are of another kind.
    """
    try:
        kept = _kept(_layout([line.rstrip("\n") for line in lines]), telling)
    except _OfAnotherKind:
        return Part("".join(lines), (0,), (0,))
    begins, places = [0], [0]
    size, after = 0, 0
    offsets = list(itertools.accumulate(map(len, lines), initial=0))
    for number in itertools.compress(range(len(lines)), kept):
        if number != after:
            begins.append(size)
            places.append(offsets[number])
        size += offsets[number + 1] - offsets[number]
        after = number + 1
    return Part("".join(itertools.compress(lines, kept)), tuple(begins), tuple(places))


class _OfAnotherKind(Exception):
    """The document cannot be cut."""


class _Look(NamedTuple):
    """What a line begins: a dash or a name in each of these columns, and a value of this kind."""

    columns: tuple[int, ...]
    is_named: bool
    kind: str


@dataclass
class _Collection:
    """A mapping or a sequence: its column and its lines, and the line whose value it is."""

    column: int
    is_sequence: bool
    begin: int
    within: _Collection | None
    owner: int
    end: int = 0


class _Layout:
    """The collections of a document, and of each line the collection and the line where its entry begins."""

    def __init__(self, lines: Sequence[str], looks: Sequence[_Look | None]) -> None:
        self.of: list[_Collection] = []
        self.entries: list[int] = []
        self.is_of_looks = True
        """Whether it would be the same for other lines that look alike."""
        self._lines = lines
        self._looks = looks
        self._top: _Collection | None = None
        self._kind, self._column = "open", -1
        number = 0
        while number < len(lines):
            number = self._read(number)
        self._close(-1, number)
        self._lines = self._looks = ()

    def _read(self, number: int) -> int:
        """Read the entry that begins in this line, or a line of the one before; returns the number of the next."""
        look, kind = self._looks[number], self._kind
        if look and look.columns and (kind in ("whole", "open") or look.columns[0] <= self._column):
            self._enter(number, look)
            self._belongs(number)
            return number + 1 if look.kind != "unclosed" else self._until_quote(number)
        self.is_of_looks = False
        line = self._lines[number]
        text = line.lstrip(" ")
        is_further = len(line) - len(text) > self._column
        if not text or (text[0] == "#" and not (kind == "block" and is_further)):
            self._kind = "whole" if text and kind == "plain" else kind
            self._belongs(self.entries[-1] if self.entries else number)
        elif number == 0 and _BEGIN.fullmatch(line):
            self._belongs(number)
        elif is_further and self._goes_on(text):
            self._belongs(self.entries[-1])
        else:
            raise _OfAnotherKind
        return number + 1

    def _belongs(self, entry: int) -> None:
        self.of.append(self._top or _BEFORE_ALL)
        self.entries.append(entry)

    def _goes_on(self, text: str) -> bool:
        """Whether a line that is further right than the entry before belongs to it."""
        if self._kind == "open" and self._top is not None:
            look = _look(text)
            if look is None or look.columns or look.kind not in ("plain", "whole"):
                return False
            self._kind = look.kind
            return True
        return self._kind == "block" or (self._kind == "plain" and bool(_MORE.fullmatch(text)))

    def _enter(self, number: int, look: _Look) -> None:
        """Open and close collections up to this entry."""
        columns = look.columns
        first, is_dash = columns[0], len(columns) > 1 or not look.is_named
        opener = self._kind == "open" and (self._top is None or self._column == self._top.column)
        last = self.entries[-1] if self.entries else 0
        if self._top is None or (first > self._column and opener):
            is_new = opener
        else:
            self._close(first, number)
            top = self._top
            if not is_dash and top is not None and top.is_sequence and top.column == first:
                self._close(first - 1, number, only_one=True)
            is_new = is_dash and top is not None and not top.is_sequence and opener and self._column == first
        if is_new:
            self._open(first, number, last, is_sequence=is_dash)
        if self._top is None or self._top.column != first or self._top.is_sequence != is_dash:
            raise _OfAnotherKind
        for at in range(1, len(columns)):
            self._open(columns[at], number, number, is_sequence=at + 1 < len(columns) or not look.is_named)
        self._kind, self._column = look.kind, columns[-1]

    def _open(self, column: int, number: int, owner: int, *, is_sequence: bool) -> None:
        self._top = _Collection(column, is_sequence, number, self._top, owner)

    def _close(self, column: int, number: int, *, only_one: bool = False) -> None:
        """Close what is further right than this column."""
        while self._top is not None and self._top.column > column:
            self._top.end = number
            self._top = self._top.within
            if only_one:
                break

    def _until_quote(self, number: int) -> int:
        """Read a string until its end, in a line below; returns the number of the line after it."""
        self.is_of_looks = False
        found = _ENTRY.fullmatch(self._lines[number])
        value = (found["value"] or found["item"]) if found else ""
        for after in range(number + 1, len(self._lines)):
            line = self._lines[after]
            value += "\n" + line
            self._belongs(number)
            if value[0] in line and _STRING.fullmatch(value.rstrip(" ")):
                self._kind = "whole"
                return after + 1
            if len(value) > _MAX_STRING:
                break
        raise _OfAnotherKind


_layouts: dict[tuple[_Look | None, ...], _Layout] = {}
_MOST_LAYOUTS = 100


def _layout(lines: Sequence[str]) -> _Layout:
    """The layout of a document; most documents of a text look alike, and have the same. Raises _OfAnotherKind."""
    looks = tuple(map(_look, lines))
    known = _layouts.get(looks)
    if known is not None:
        return known
    made = _Layout(lines, looks)
    if made.is_of_looks:
        if len(_layouts) >= _MOST_LAYOUTS:
            _layouts.clear()
        _layouts[looks] = made
    return made


_BEFORE_ALL = _Collection(0, False, 0, None, 0)


@functools.lru_cache(maxsize=4_000)
def _look(line: str) -> _Look | None:
    """What a line begins; None when it is no line of a plain kind."""
    found = None if _ODD.search(line) else _ENTRY.fullmatch(line)
    if found is None:
        return None
    dashes = [found.start(2) + at for at, character in enumerate(found[2]) if character == "-"]
    named = [found.end(2)] if found["colon"] else []
    value = found["value"] if named else found["item"]
    kind = _kind(value) if value else "open"
    return _Look((*dashes, *named), bool(named), kind) if kind else None


def _kind(value: str) -> str:
    """What kind of value begins so; empty when it is none of those that can be cut."""
    if value[0] == "#":
        return "open"
    if _BLOCK.fullmatch(value):
        return "block"
    if _STRING.fullmatch(value) or _FLOW.fullmatch(value):
        return "whole"
    if value[0] in "\"'":
        return "unclosed"
    if not _PLAIN.fullmatch(value):
        return ""
    return "whole" if " #" in value else "plain"


def _kept(layout: _Layout, telling: Iterable[int]) -> list[bool]:
    """Of each line whether it stays."""
    kept = [False] * len(layout.of)

    def keep_entry(number: int) -> None:
        begin = layout.entries[number]
        at = begin
        while at < len(kept) and layout.entries[at] == begin:
            kept[at] = True
            at += 1

    led_to: set[int] = set()
    for number in telling:
        collection = layout.of[number]
        kept[collection.begin : collection.end] = [True] * (collection.end - collection.begin)
        while collection.within is not None and id(collection) not in led_to:
            led_to.add(id(collection))
            keep_entry(collection.owner)
            keep_entry(collection.within.begin)
            collection = collection.within
    return kept
