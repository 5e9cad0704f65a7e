# SPDX-License-Identifier: Apache-2.0
"""Two reports compared: verdicts that changed, and figures that are different by more than chance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.report import figures
from harness.report.figures import Figure, Spread
from harness.report.flakes import wilson
from harness.report.model import GREEN, CellResult, RunResult
from harness.verdicts import Verdict

_SAME = {"s": 0.5, "ms": 50.0, "MiB": 5.0, "": 0.0}
"""Unit → a difference that nobody has to read about, whatever the attempts say."""


class Change(StrEnum):
    """What became of a verdict or a figure from the first report to the second."""

    WORSE = "worse"
    BETTER = "better"
    OTHER = "other"
    """Another verdict that is neither: one of them says nothing of the product, or both are green."""

    UNSURE = "unsure"
    """Figures whose intervals overlap, or that were measured too few times to tell."""

    SAME = "same"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """How often a cell failed, out of the attempts that say something of the product; `low` and `high` are the ends of
    the 95 % interval. `verdict` is the worst of its attempts."""

    verdict: Verdict
    failed: int
    counted: int
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class CellDiff:
    """A cell in both reports. Its reason is that of the worst attempt in the second one."""

    id: str
    change: Change
    before: Rate
    after: Rate
    reason: str


@dataclass(frozen=True, kw_only=True)
class FigureDiff:
    """A figure of a cell in both reports."""

    id: str
    figure: Figure
    change: Change
    before: Spread
    after: Spread


@dataclass(frozen=True, kw_only=True)
class Diff:
    """The comparison. `gone` are cells of the first report alone, `new` those of the second; `otherwise` says in words
    what was different around the runs, so that not every change is one of the product."""

    cells: tuple[CellDiff, ...]
    figures: tuple[FigureDiff, ...]
    gone: tuple[str, ...]
    new: tuple[str, ...]
    otherwise: tuple[str, ...]

    @property
    def worse(self) -> bool:
        """Whether a cell that was green has failed."""
        return any(it.change is Change.WORSE for it in self.cells)

    @property
    def unproved(self) -> tuple[str, ...]:
        """Cells of which the first report says something, and the second one nothing."""
        silent = (it.id for it in self.cells if it.before.counted and not it.after.counted)
        return (*silent, *self.gone)


def compare(before: RunResult, after: RunResult) -> Diff:
    """Compare two reports, cell by cell; attempts at the same cell are taken together."""
    first, second = _attempts(before.cells), _attempts(after.cells)
    shared = [name for name in first if name in second]
    return Diff(
        cells=tuple(_cell(name, first[name], second[name]) for name in shared),
        figures=tuple(it for name in shared for it in _figures(name, first[name], second[name])),
        gone=tuple(name for name in first if name not in second),
        new=tuple(name for name in second if name not in first),
        otherwise=_otherwise(before, after),
    )


def _attempts(cells: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for cell in cells:
        found.setdefault(cell.id, []).append(cell)
    return found


def _cell(name: str, before: list[CellResult], after: list[CellResult]) -> CellDiff:
    was, now = _rate(before), _rate(after)
    worst = max(after, key=lambda cell: cell.verdict.severity)
    return CellDiff(id=name, change=_verdict_change(was, now), before=was, after=now, reason=worst.reason)


def _rate(attempts: list[CellResult]) -> Rate:
    verdicts = [cell.verdict for cell in attempts]
    failed = verdicts.count(Verdict.FAILED)
    counted = failed + sum(verdict in GREEN for verdict in verdicts)
    low, high = wilson(failed, counted) if counted else (0.0, 1.0)
    worst = max(verdicts, key=lambda verdict: verdict.severity)
    return Rate(verdict=worst, failed=failed, counted=counted, low=low, high=high)


def _verdict_change(was: Rate, now: Rate) -> Change:
    """Of attempts that say nothing of the product, nothing is concluded."""
    if not was.counted or not now.counted:
        return Change.SAME if was.verdict is now.verdict else Change.OTHER
    if was.failed and now.failed:
        if now.low > was.high:
            return Change.WORSE
        return Change.BETTER if now.high < was.low else Change.SAME
    if now.failed:
        return Change.WORSE
    if was.failed:
        # A cell that failed once in twenty has not been mended by a single attempt that passed.
        return Change.BETTER if now.counted >= was.counted else Change.UNSURE
    return Change.SAME if was.verdict is now.verdict else Change.OTHER


def _figures(name: str, before: list[CellResult], after: list[CellResult]) -> list[FigureDiff]:
    was, now = (figures.by_cell(it).get(name, {}) for it in (before, after))
    return [
        _figure(name, figure, figures.spread(was[figure]), figures.spread(now[figure])) for figure in was.keys() & now
    ]


def _figure(name: str, figure: Figure, was: Spread, now: Spread) -> FigureDiff:
    if abs(now.median - was.median) <= _SAME[figure.unit]:
        change = Change.SAME
    elif not (was.sure and now.sure) or (now.low <= was.high and was.low <= now.high):
        change = Change.UNSURE
    else:
        change = Change.WORSE if now.median > was.median else Change.BETTER
    return FigureDiff(id=name, figure=figure, change=change, before=was, after=now)


def _otherwise(before: RunResult, after: RunResult) -> tuple[str, ...]:
    pairs = {
        "harness": (before.harness_version, after.harness_version),
        "images from": (before.source.told, after.source.told),
        "processors": (before.host.cpus, after.host.cpus),
        "memory (MiB)": (before.host.memory_mib, after.host.memory_mib),
        "kernel": (before.host.kernel, after.host.kernel),
        "engine": (before.host.engine, after.host.engine),
    }
    pairs |= {
        f"tool {tool}": (before.tools.get(tool, "none"), after.tools.get(tool, "none"))
        for tool in sorted(before.tools.keys() | after.tools.keys())
    }
    return tuple(f"{what}: {was} → {now}" for what, (was, now) in pairs.items() if was != now)
