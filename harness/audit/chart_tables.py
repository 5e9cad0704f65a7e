# SPDX-License-Identifier: Apache-2.0
"""Finds the operator's chart in tables whose heads say which column has charts, and which one their versions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.audit.chart_pin import ChartPin
from harness.audit.chart_versions import CONSTRAINT
from harness.audit.owners import Lines
from harness.releases.charts import CHART_NAME

_MARKS = " \t\"'`*"
_CELL = re.compile(
    rf"(?:^|(?P<mark>[|,;\t]))[ \"'`*]*(?:[\w.-]+/)?{re.escape(CHART_NAME)}[ \"'`*]*(?P<next>[|,;\t]|$)", re.M
)
"""A cell with nothing but the chart."""
_IS_CHART = re.compile(r"(?:helm[ _-]?)?charts?(?:[ _-]?name)?|helm", re.I)
_IS_VERSION = re.compile(r"(?:(?:helm[ _-]?)?chart[ _-]?)?(?:version|tag)", re.I)
_IS_ADDRESS = re.compile(
    r"(?:helm[ _-]?)?(?:chart[ _-]?)?(?:repo(?:sitory)?|registry|source)(?:[ _-]?url)?|url|address", re.I
)
_OF_THE_PAST = re.compile(r"date|released?|since|until", re.I)
_RULE = re.compile(r"[\s:|-]*-[\s:|-]*")
_MOST_ROWS = 400


def in_tables(lines: Lines, found: Sequence[ChartPin]) -> Iterator[ChartPin]:
    """The chart in each row of a table of Markdown, or of values with separators, that no pin is in already.

    A table with dates tells of the past.
    """
    place = lines.text.find(CHART_NAME)
    while place >= 0:
        number, _ = lines.place(place)
        row = lines.all[number - 1]
        cell = None if lines.is_long(number) else _CELL.search(row)
        mark = (cell["mark"] or cell["next"]) if cell else ""
        if cell and mark:
            here = row[: cell.end() - len(cell["next"])].count(mark)
            pin = _in_row(lines, number, mark, here)
            if pin and not any(it.holds(pin.at) for it in found):
                yield pin
        place = lines.text.find(CHART_NAME, lines.start(number) + len(row))


def _in_row(lines: Lines, number: int, mark: str, here: int) -> ChartPin | None:
    """The chart of a row, whose name is in a column; None where the heads do not say that it is one."""
    heads = [it.strip(_MARKS) for it in _heads(lines, number, mark).split(mark)]
    if here >= len(heads) or not _IS_CHART.fullmatch(heads[here]) or any(map(_OF_THE_PAST.search, heads)):
        return None
    cells = lines.all[number - 1].split(mark)
    at = next((it for it, head in enumerate(heads[: len(cells)]) if _IS_VERSION.fullmatch(head)), None)
    version = cells[at].strip(_MARKS) if at is not None else ""
    if at is None or not re.fullmatch(CONSTRAINT, version):
        return None
    address = next((cell for head, cell in zip(heads, cells, strict=False) if _IS_ADDRESS.fullmatch(head)), "")
    begin = lines.start(number) + sum(len(it) + 1 for it in cells[:at]) + cells[at].index(version)
    end = begin + len(version)
    return ChartPin(
        at=begin, start=begin, end=end, version=version, begin=begin, finish=end, address=address.strip(f"{_MARKS}<>")
    )


def _heads(lines: Lines, number: int, mark: str) -> str:
    """The line with the heads of the table that a row is in; empty where there is none."""
    every = lines.all
    if mark != "|":
        return every[0] if number > 1 and every[0].count(mark) == every[number - 1].count(mark) else ""
    first = number
    while first > max(1, number - _MOST_ROWS) and every[first - 2].count(mark):
        first -= 1
    return every[first - 1] if first < number - 1 and _RULE.fullmatch(every[first]) else ""
