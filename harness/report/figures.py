# SPDX-License-Identifier: Apache-2.0
"""The numbers in results that can be compared between runs: durations, outages, memory, counts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.report.model import CellResult

UNITS: Mapping[str, str] = {"_ms": "ms", "_s": "s", "_mib": "MiB"}
"""How the name of a fact ends that is a number of this unit."""

COUNTS = frozenset({"failed", "doubled", "lost", "missed", "refused", "restarts", "twice"})
"""Names of facts that count what should not be."""

_CONFIDENCE = 0.95


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
    """The median of at least one value and its 95 % interval, by order statistics: no distribution is assumed.

    The interval reaches from the k-th lowest to the k-th highest value, with the largest k for which at most 5 % of all
    samples of this size would miss the true median (David and Nagaraja, Order Statistics, 7.1).
    """
    ordered = sorted(values)
    count = len(ordered)
    k = _rank(count)
    return Spread(
        count=count,
        median=statistics.median(ordered),
        low=ordered[max(k, 1) - 1],
        high=ordered[count - max(k, 1)],
        sure=k > 0,
    )


def _rank(count: int) -> int:
    """The largest k whose interval holds the median with 95 % confidence; 0 where there is none."""
    k, outside = 0, 0.0
    while True:
        outside += 2 * math.comb(count, k) / 2**count
        if outside > 1 - _CONFIDENCE:
            return k
        k += 1


def _unit(name: str) -> str | None:
    if name in COUNTS:
        return ""
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), None)
