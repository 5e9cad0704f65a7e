# SPDX-License-Identifier: Apache-2.0
"""Where a text has its parts of names and its charts, and what is near to what."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property

from harness.audit import chart_pins, parts
from harness.audit.chart_pins import ChartPin
from harness.audit.expressions import Variables
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.parts import Part, Word


class Placed:
    """The parts and charts of a text. Parts are looked for when they are asked for: most texts have none."""

    def __init__(self, homes: Homes, lines: Lines, variables: Variables) -> None:
        self.lines = lines
        self.pins = chart_pins.pins(lines, variables, homes)
        self._variables = variables

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

    def pin(self, offset: int) -> ChartPin | None:
        """The nearest chart in whose region an offset is."""
        holding = [it for it in self.pins if it.holds(offset)]
        return min(holding, key=lambda it: (it.end - it.start, abs(it.at - offset)), default=None)
