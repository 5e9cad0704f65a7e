# SPDX-License-Identifier: Apache-2.0
"""The numbers in results that can be compared between runs: durations, outages, memory, counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.report.median import WANTED, median
from harness.report.model import CellResult

UNITS: Mapping[str, str] = {"_ms": "ms", "_s": "s", "_mib": "MiB"}
"""How the name of a fact ends that is a number of this unit."""

COUNTS = frozenset({"failed", "doubled", "lost", "missed", "refused", "restarts", "twice"})
"""Names of facts that count what should not be."""


@dataclass(frozen=True, order=True, kw_only=True)
class Figure:
    """One number that cells have: the `check` that measured it, empty for a phase, its name there, and its unit, empty
    for a count. The lower, the better."""

    check: str
    name: str
    unit: str

    def __str__(self) -> str:
        return f"{self.check or 'phase'}: {self.name}"


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What several attempts measured: their median, and where it lies with 95 % confidence.

    With fewer than six attempts there is no such interval; `low` and `high` are then the lowest and the highest, and
    `sure` is false.
    """

    count: int
    median: float
    low: float
    high: float
    sure: bool


def of_cell(cell: CellResult) -> dict[Figure, float]:
    """The figures of one attempt at a cell: its phases, and the numbers among the facts of its checks."""
    found = {Figure(check="", name=name, unit="s"): seconds for name, seconds in cell.phases.items()}
    for check in cell.checks:
        for name, value in check.evidence.items():
            unit = _unit(name)
            if unit is not None and isinstance(value, int | float) and not isinstance(value, bool):
                found[Figure(check=check.name, name=name, unit=unit)] = float(value)
    return found


def by_cell(cells: Iterable[CellResult]) -> dict[str, dict[Figure, tuple[float, ...]]]:
    """Cell → figure → what its attempts measured, in their order."""
    found: dict[str, dict[Figure, tuple[float, ...]]] = {}
    for cell in cells:
        mine = found.setdefault(cell.id, {})
        for figure, value in of_cell(cell).items():
            mine[figure] = (*mine.get(figure, ()), value)
    return found


def spread(values: Sequence[float]) -> Spread:
    """The median of at least one value, with its interval by order statistics: no distribution is assumed."""
    found = median(values)
    return Spread(count=len(values), median=found.median, low=found.low, high=found.high, sure=found.coverage >= WANTED)


def _unit(name: str) -> str | None:
    if name in COUNTS:
        return ""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), None)
