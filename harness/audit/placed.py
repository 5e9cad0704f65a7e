# SPDX-License-Identifier: Apache-2.0
"""Where a text has its parts of names and its charts, and what is near to what."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from harness.audit import chart_pins, parts
from harness.audit.chart_pin import ChartPin
from harness.audit.expressions import EXPRESSION, Variables, named_by
from harness.audit.homes import Homes
from harness.audit.owners import Lines, indent
from harness.audit.parts import Part, Word
from harness.audit.uses import Uses

_USED = re.compile(rf"(?P<variable>{EXPRESSION}):(?P<tag>(?:{EXPRESSION}|[A-Za-z0-9_.-])(?:{EXPRESSION}|[\w.-])*|\$\d)")
_TAG = re.compile(r"\w[\w.-]*")
_MAY_BE_USED = re.compile(r"[\w})]:[\w${<%#]")
_REPOSITORY = re.compile(r"repo(?:sitory)?$", re.I)
_BESIDE = 8
"""So many lines from a repository, its registry is written."""
_FARTHEST = 200
"""So many lines from a registry, nothing is below it."""


class Placed:
    """The parts and charts of a text. Parts are looked for when they are asked for: most texts have none.

    `chart` is the version of the operator's chart that a Chart.yaml beside the text has, empty where there is none.
    """

    def __init__(self, homes: Homes, lines: Lines, variables: Variables, chart: str = "") -> None:
        self.lines = lines
        self.chart = chart
        found = chart_pins.pins(lines, variables, homes)
        self.pins = [it if it.version or it.variable else replace(it, version=chart) for it in found]
        self._variables = variables
        self.uses = Uses(homes, lines, variables)

    @cached_property
    def parts(self) -> list[Part]:
        """Every part, in the order of their places."""
        return parts.found_in(self.lines, self._variables)

    @cached_property
    def _barriers(self) -> list[int]:
        return chart_pins.barriers(self.lines, self.pins)

    def part(self, offset: int) -> Part | None:
        """The part in whose value an offset is."""
        after = bisect_left(self.parts, offset + 1, key=lambda it: it.start)
        part = self.parts[after - 1] if after else None
        return part if part and offset < part.end else None

    def between(self, start: int, end: int) -> Sequence[Part]:
        """The parts between two offsets."""
        first = bisect_left(self.parts, start, key=lambda it: it.start)
        return self.parts[first : bisect_left(self.parts, end, lo=first, key=lambda it: it.start)]

    def near(self, part: Part, word: Word, stem: str | None = None) -> Part | None:
        """The nearest other part of the same name, by `parts.near`."""
        return parts.near(self.lines, self.parts, part, word, self._barriers, stem)

    def has_unread_registry(self, part: Part) -> bool:
        """Whether a repository has a registry beside it of which only its key can be read: `registry = format(…)`."""
        key = _REPOSITORY.sub(lambda it: "REGISTRY" if it[0].isupper() else "registry", part.key)
        first, last = max(1, part.line - _BESIDE), min(len(self.lines.all), part.line + _BESIDE)
        begins = r"(?:[^\n#/]*\bname[\"']?\s*[:=]\s*[\"']?)" if part.named else " " * part.indent
        written = re.compile(rf"^{begins}(?P<quote>[\"']?){re.escape(key)}(?P=quote)(?:\s*[:=]|[\s,]|$)", re.M)
        begin, end = self.lines.start(first), self.lines.start(last)
        for match in written.finditer(self.lines.text, begin, end) if key != part.key else ():
            low, high = sorted((self.lines.place(match.start())[0], part.line))
            nearby = self.lines.all[low - 1 : high]
            if part.named or all(indent(line) >= part.indent for line in nearby if line.strip()):
                return True
        return False

    def used_tag(self, key: str) -> str | None:
        """The tag behind a variable where a text uses it, as in `$IMAGE:$TAG`; empty where it cannot be known, None
        where there is no such use.
        """
        found = {self._variables.filled(it["tag"]) for it in self._used if named_by(it["variable"]) == key}
        if not found:
            return None
        tag = found.pop()
        return tag if not found and _TAG.fullmatch(tag) else ""

    @cached_property
    def _used(self) -> list[re.Match[str]]:
        return list(_USED.finditer(self.lines.text)) if _MAY_BE_USED.search(self.lines.text) else []

    def registry_above(self, offset: int) -> Part | None:
        """The nearest registry in a mapping around an offset, which all the repositories below it are of."""
        number, _ = self.lines.place(offset)
        last = min(len(self.lines.all), number + _FARTHEST)
        nearby = self.between(self.lines.start(max(1, number - _FARTHEST)), self.lines.start(last))
        found = [it for it in nearby if it.key.lower().endswith("registry") and self._is_around(it, offset)]
        return min(found, key=lambda it: abs(it.start - offset), default=None)

    def _is_around(self, it: Part, offset: int) -> bool:
        """Whether a place is deeper in the mapping that a part is in."""
        text, every = self.lines.text, self.lines.all
        key = self.lines.start(it.line) + it.column
        if it.named or "=" in text[key : it.start] or ":" not in text[key : it.start]:
            return False
        number, _ = self.lines.place(offset)
        if it.line == number:
            between = text[min(key, offset) : max(key, offset)]
            return "}" not in between and ("[" in between or "{" in between)
        own = it.column - (text[key - 1 : key] in ("'", '"'))
        first, last = sorted((it.line, number))
        here = every[number - 1]
        inner = indent(here) > own or here[own:].startswith("- ") or "[" in self.lines.before(offset)
        begins = not every[it.line - 1][:own].strip(" \t-")
        return begins and inner and all(indent(line) >= own for line in every[first : last - 1] if line.strip())

    def pin(self, offset: int) -> ChartPin | None:
        """The nearest chart in whose region an offset is."""
        holding = [it for it in self.pins if it.holds(offset)]
        return min(holding, key=lambda it: (it.end - it.start, abs(it.at - offset)), default=None)

    def is_of_image(self, part: Part) -> bool:
        """Whether a part is one of `image`: `image.tag`, `IMAGE_TAG`, or `tag` below `image`."""
        if part.stem:
            return part.stem.split()[-1] in ("image", "img")
        owners = self.lines.owners(part.start)
        around = [it for it in owners if it.lower() != part.key.lower()][:1]
        return any(re.fullmatch(r"[\w.-]*image", it, re.I) for it in around)

    def is_of_hook(self, part: Part) -> bool:
        """Whether a part is of the image of the hook that upgrades CRDs, by its name or by the keys around it."""
        return "hook" in part.stem.split() or any("hook" in it.lower() for it in self.lines.owners(part.start)[:4])
