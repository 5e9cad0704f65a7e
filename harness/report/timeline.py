# SPDX-License-Identifier: Apache-2.0
"""Where the time of a run and its cells was spent, as bars on a common scale."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.report.model import CellResult, PlannedCluster, RunResult

WIDTH = 1000
"""The width of every scale, in units."""

_KINDS = ("cluster", "install", "path", "scenario", "checks", "evidence")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Something that took `seconds`, starting `start` seconds from the scale's origin. `kind` is its name's first
    part."""

    name: str
    kind: str
    start: float
    seconds: float

    @property
    def end(self) -> float:
        """The end, in seconds from the scale's origin."""
        return self.start + self.seconds


@dataclass(frozen=True, kw_only=True)
class ClusterBar:
    """A cluster of the run's plan and its lifetime, in seconds from the run's start."""

    cluster: PlannedCluster
    bar: Bar


def phases(cell: CellResult) -> tuple[Bar, ...]:
    """The phases of a cell, in order."""
    return _in_turn((name, _kind(name), seconds) for name, seconds in cell.phases.items())


def steps(cell: CellResult) -> tuple[Bar, ...]:
    """The commands of an upgrade or a rollback, in order; empty for cells on an install."""
    for check in cell.checks:
        commands, seconds = check.evidence.get("commands"), check.evidence.get("seconds")
        if isinstance(commands, list) and isinstance(seconds, list) and len(commands) == len(seconds):
            took = [(str(name), it) for name, it in zip(commands, seconds, strict=True) if isinstance(it, int | float)]
            return _in_turn((name, "step", float(it)) for name, it in took)
    return ()


def clusters(run: RunResult) -> tuple[ClusterBar, ...]:
    """The clusters of the plan that were created, in order of creation."""
    found = []
    for cluster in run.plan:
        if cluster.started is not None and cluster.ended is not None:
            seconds = max(cluster.ended - cluster.started, 0.0)
            bar = Bar(name=cluster.cluster, kind="cluster", start=cluster.started, seconds=seconds)
            found.append(ClusterBar(cluster=cluster, bar=bar))
    return tuple(sorted(found, key=lambda it: it.bar.start))


def scale(bars: Sequence[Bar]) -> float:
    """The length of a scale for these bars, in seconds."""
    return max((bar.end for bar in bars), default=0.0)


def units(seconds: float, whole: float) -> float:
    """A time as a position on a scale of `whole` seconds, from 0 to WIDTH."""
    return round(min(max(seconds / whole, 0.0), 1.0) * WIDTH, 1) if whole > 0 else 0.0


def duration(seconds: float) -> str:
    """`8.4 s`, `3 min 07 s`, `1 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _kind(name: str) -> str:
    first = name.partition("-")[0]
    return first if first in _KINDS else "other"


def _in_turn(parts: Iterable[tuple[str, str, float]]) -> tuple[Bar, ...]:
    found: list[Bar] = []
    for name, kind, seconds in parts:
        found.append(Bar(name=name, kind=kind, start=found[-1].end if found else 0.0, seconds=max(seconds, 0.0)))
    return tuple(found)
