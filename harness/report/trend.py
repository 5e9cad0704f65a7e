# SPDX-License-Identifier: Apache-2.0
"""Results over time, as of nightly runs: verdicts and figures of each cell, run by run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from harness.report import figures
from harness.report.figures import Figure, Spread
from harness.report.model import CellResult, RunResult
from harness.verdicts import Verdict

WIDTH, HEIGHT = 240, 36
"""The drawing of a line, in its own units."""

_EDGE = 3


@dataclass(frozen=True, kw_only=True)
class Night:
    """One run. `place` is what must be the same for its durations to be comparable: processors, engine, source."""

    run_id: str
    started: datetime
    place: str


@dataclass(frozen=True, kw_only=True)
class CellTrend:
    """A cell over all runs: the worst of each run's attempts, None where it did not run."""

    id: str
    results: tuple[CellResult | None, ...]

    @property
    def changed(self) -> bool:
        """Whether its verdict was not always the same."""
        return len({it.verdict for it in self.results if it}) > 1

    @property
    def last(self) -> Verdict:
        """The latest verdict."""
        return next(it.verdict for it in reversed(self.results) if it)


@dataclass(frozen=True, kw_only=True)
class FigureTrend:
    """A figure of a cell over all runs: the median of each run's attempts, None where it was not measured."""

    id: str
    figure: Figure
    values: tuple[float | None, ...]

    @property
    def measured(self) -> tuple[float, ...]:
        """The values that there are."""
        return tuple(it for it in self.values if it is not None)

    @property
    def last(self) -> float:
        """The latest of them."""
        return self.measured[-1]

    @property
    def usual(self) -> Spread | None:
        """What the runs before the latest measured; None for the first run with this figure."""
        return figures.spread(self.measured[:-1]) if len(self.measured) > 1 else None

    @property
    def remark(self) -> str:
        """`higher` or `lower` when the latest value is beyond all that at least six earlier runs measured."""
        earlier = self.measured[:-1]
        if self.usual is None or not self.usual.sure:
            return ""
        if self.last > max(earlier):
            return "higher than ever"
        return "lower than ever" if self.last < min(earlier) else ""

    @property
    def lines(self) -> tuple[str, ...]:
        """The points of the lines of a drawing, `x,y x,y …`; a run without a value interrupts the line."""
        low, high = min(0.0, *self.measured), max(self.measured)
        scale = (HEIGHT - 2 * _EDGE) / ((high - low) or 1.0)
        step = (WIDTH - 2 * _EDGE) / max(1, len(self.values) - 1)
        parts: list[list[str]] = [[]]
        for number, value in enumerate(self.values):
            if value is None:
                parts.append([])
            else:
                parts[-1].append(f"{_EDGE + number * step:.1f},{HEIGHT - _EDGE - (value - low) * scale:.1f}")
        return tuple(" ".join(it) for it in parts if it)


@dataclass(frozen=True, kw_only=True)
class Trend:
    """All runs, the earliest first, and what became of each cell and figure."""

    nights: tuple[Night, ...]
    cells: tuple[CellTrend, ...]
    figures: tuple[FigureTrend, ...]

    @property
    def places(self) -> tuple[str, ...]:
        """Where they ran; with several, durations cannot simply be compared."""
        return tuple(dict.fromkeys(it.place for it in self.nights))

    @property
    def cells_by_interest(self) -> tuple[CellTrend, ...]:
        """Those whose verdict changed first, and of these and of the others, those with the worst latest one."""
        return tuple(sorted(self.cells, key=lambda it: (not it.changed, -it.last.severity)))


def of_runs(runs: Iterable[RunResult]) -> Trend:
    """The trend over these runs, in the order in which they were started."""
    ordered = sorted(runs, key=lambda run: (run.started, run.run_id))
    worst = [_worst(run.cells) for run in ordered]
    names = tuple(dict.fromkeys(name for found in worst for name in found))
    measured = [figures.by_cell(run.cells) for run in ordered]
    return Trend(
        nights=tuple(Night(run_id=it.run_id, started=it.started, place=_place(it)) for it in ordered),
        cells=tuple(CellTrend(id=name, results=tuple(found.get(name) for found in worst)) for name in names),
        figures=tuple(it for name in names for it in _figures(name, measured)),
    )


def _worst(cells: Iterable[CellResult]) -> dict[str, CellResult]:
    found: dict[str, CellResult] = {}
    for cell in cells:
        known = found.get(cell.id)
        if known is None or cell.verdict.severity > known.verdict.severity:
            found[cell.id] = cell
    return found


def _figures(name: str, measured: Sequence[Mapping[str, Mapping[Figure, tuple[float, ...]]]]) -> list[FigureTrend]:
    mine = [found.get(name, {}) for found in measured]
    known = dict.fromkeys(figure for found in mine for figure in found)
    trends = [
        FigureTrend(
            id=name,
            figure=figure,
            values=tuple(figures.spread(it[figure]).median if figure in it else None for it in mine),
        )
        for figure in known
    ]
    # What checks measured is about the product; phases are about the machine as well.
    return sorted(trends, key=lambda it: not it.figure.check)


def _place(run: RunResult) -> str:
    memory = math.ceil(run.host.memory_mib / 1024)
    return f"{run.host.cpus} processors, {memory} GiB, {run.host.engine}, images from {run.source.told}"
