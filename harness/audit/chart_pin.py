# SPDX-License-Identifier: Apache-2.0
"""A place where a text names the operator's chart."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChartPin:
    """A place where the chart is named. Its values are between `start` and `end`, which are offsets.

    `version` is empty where none is known; it is written from `begin` to `finish`. `address` is that of the chart, if
    it is given. `variable` is the name of what fills the version in, where that is not known.
    """

    at: int
    start: int
    end: int
    version: str = ""
    begin: int = 0
    finish: int = 0
    address: str = ""
    variable: str = ""

    @classmethod
    def alone(cls, match: re.Match[str], group: str = "version", **more: str) -> ChartPin:
        """A version that is all there is of a chart, where the group of a match has it."""
        begin, finish = match.span(group)
        return cls(at=begin, start=begin, end=finish, version=match[group], begin=begin, finish=finish, **more)

    def holds(self, offset: int) -> bool:
        """Whether a place is in the chart's region."""
        return self.start <= offset < self.end
