# SPDX-License-Identifier: Apache-2.0
"""Estimates durations of cells from earlier runs: pure arithmetic, with guesses marked as such."""

from __future__ import annotations

import heapq
import statistics
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from harness.matrix import expand, path_names
from harness.matrix.costs import costs, thousandths
from harness.matrix.model import Cell

CLUSTER_SECONDS = 60.0
"""Default: a cluster with an installed release, in seconds."""

MOVE_SECONDS = 150.0
"""Default: an upgrade or a rollback with the soak after it, in seconds."""

JUDGING_SECONDS = 2.0
"""Default: the checks of a scenario on an upgrade path, in seconds."""

_OF_TIMEOUT = 0.1
"""Default: the fraction of its timeout that a scenario takes; measured ones take between 0.03 and 0.3."""


@dataclass(frozen=True, kw_only=True)
class Learnt:
    """Durations of earlier runs, in seconds.

    `own` is a cell without its cluster, by cell id; `shared` is what the cells of a group have in common: cluster,
    install and the moves of their path, by `pass_name` (`kind-1.34/install-2.5.2`).
    """

    own: Mapping[str, float] = field(default_factory=dict)
    shared: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Expected:
    """A duration in seconds; `guess` when it is not from an earlier run of exactly this."""

    seconds: float
    guess: bool = False

    @property
    def minutes(self) -> str:
        """For display: `1.5`, a guess as `~1.5`."""
        return f"{'~' if self.guess else ''}{self.seconds / 60:.1f}"


def pass_name(group: str, watched: Collection[str]) -> str:
    """The name of a pass along a path: its group, and what is watched on it. For an install it is the group."""
    if _moves(group) == 0:
        return group
    return f"{group} watching {'+'.join(sorted(watched)) or 'the operator'}"


def watched_by(cells: Sequence[Cell]) -> frozenset[str]:
    """The kinds of applications that these cells of one path watch."""
    if not cells or not cells[0].path.moves:
        return frozenset()
    return frozenset(kind for cell in cells for kind in cell.scenario.needs.applications)


class Estimator:
    """Expected durations. `slots` is the number of scenarios in parallel on this host; `processors` as in
    `beginnings`."""

    def __init__(self, learnt: Learnt, *, slots: int, processors: float = 2.0) -> None:
        self._learnt = learnt
        self._slots = max(1, slots)
        self._processors = processors
        # Asked again and again, for each part of a group and for each place on which it might be.
        self._cells: dict[str, Expected] = {}
        self._shared: dict[str, Expected] = {}

    def cell(self, cell: Cell) -> Expected:
        """A cell alone, without its cluster. If unknown: as the same scenario elsewhere, else by its timeout.

        On an upgrade path these are only the checks, since all cells of the path share one pass.
        """
        found = self._cells.get(cell.id)
        if found is None:
            found = self._cells[cell.id] = self._cell(cell)
        return found

    def _cell(self, cell: Cell) -> Expected:
        known = self._learnt.own.get(cell.id)
        if known is not None:
            return Expected(seconds=known)
        like = [seconds for name, seconds in self._learnt.own.items() if name.rpartition("/")[2] == cell.scenario.name]
        if cell.path.moves and not like:
            return Expected(seconds=JUDGING_SECONDS, guess=True)
        return Expected(seconds=statistics.median(like) if like else cell.scenario.timeout * _OF_TIMEOUT, guess=True)

    def shared(self, cells: Sequence[Cell]) -> Expected:
        """Cluster and install, and the path's steps, if it has any, with what these cells watch on it.

        Unknown: as the same path with other things watched, then as the same environment with another path of as many
        moves, else as any cluster with as many; where none had as many, as one without, and each move by itself.
        """
        name = pass_name(cells[0].group, watched_by(cells))
        found = self._shared.get(name)
        if found is None:
            found = self._shared[name] = self._pass(name, cells[0])
        return found

    def _pass(self, name: str, cell: Cell) -> Expected:
        if name in self._learnt.shared:
            return Expected(seconds=self._learnt.shared[name])
        same = [seconds for known, seconds in self._learnt.shared.items() if _group(known) == cell.group]
        if same:
            return Expected(seconds=statistics.median(same), guess=True)
        environment = f"{cell.environment.name}/"
        moves = len(cell.path.moves)
        for number, more in dict.fromkeys(((moves, 0.0), (0, MOVE_SECONDS * moves))):
            known_of = {name: it for name, it in self._learnt.shared.items() if _moves(name) == number}
            like = [seconds for name, seconds in known_of.items() if name.startswith(environment)]
            if known_of:
                return Expected(seconds=statistics.median(like or list(known_of.values())) + more, guess=True)
        return Expected(seconds=CLUSTER_SECONDS + MOVE_SECONDS * moves, guess=True)

    def group(self, cells: Sequence[Cell], *, slots: int | None = None) -> Expected:
        """Cells that share a cluster: the shared part once, then the cells in parallel.

        Those of a path with moves are all watched in one and the same pass, which is part of what they share.
        """
        if not cells:
            return Expected(seconds=0.0)
        shared, own = self.shared(cells), [self.cell(cell) for cell in cells]
        # They are judged one after the other.
        places = 1 if cells[0].path.moves else slots or self._slots
        seconds = shared.seconds + makespan([it.seconds for it in own], places)
        return Expected(seconds=seconds, guess=shared.guess or any(it.guess for it in own))

    def run(self, cells: Iterable[Cell], *, jobs: int) -> Expected:
        """A whole run with this number of clusters in parallel, which share the slots."""
        groups = list(expand.groups(cells).values())
        at_once = max(1, min(jobs, len(groups)))
        expected = [self.group(group, slots=max(1, self._slots // at_once)) for group in groups]
        works = [
            Work(seconds=it.seconds, processors=costs().of(group, watched_by(group)))
            for it, group in zip(expected, groups, strict=True)
        ]
        seconds = _last_end(works, jobs=at_once, processors=self._processors)
        return Expected(seconds=seconds, guess=any(it.guess for it in expected))


def _group(name: str) -> str:
    """The group of a pass."""
    return name.partition(" ")[0]


@lru_cache(maxsize=10_000)
def _moves(name: str) -> int:
    """The number of steps of this pass's path."""
    parsed = path_names.parse(_group(name).partition("/")[2])
    if parsed is None or parsed.kind == "install":
        return 0
    return len(parsed.releases) - (0 if parsed.kind == "rollback" else 1)


@dataclass(frozen=True, kw_only=True)
class Work:
    """Something that occupies one of the `--jobs` for some seconds, and some processors."""

    seconds: float
    processors: float = 0.0


def beginnings(works: Iterable[Work], *, jobs: int, processors: float) -> list[float]:
    """The start of each in seconds. In order, except that one that has to wait for processors lets others go first.

    One that needs more than the `processors` takes all of them.
    """
    all_works = list(works)
    begun = [0.0] * len(all_works)
    free = thousandths(processors)
    waiting = [(number, min(thousandths(work.processors), free)) for number, work in enumerate(all_works)]
    running: list[tuple[float, int]] = []
    now = 0.0
    while waiting:
        following = next((it for it in waiting if it[1] <= free), None) if len(running) < max(1, jobs) else None
        if following is None:
            now, taken = heapq.heappop(running)
            free += taken
            continue
        number, taken = following
        waiting.remove(following)
        begun[number] = now
        free -= taken
        heapq.heappush(running, (now + all_works[number].seconds, taken))
    return begun


def makespan(seconds: Iterable[float], places: int) -> float:
    """When the last of these is done, starting with the longest, with this many in parallel."""
    ends = [0.0] * max(1, places)
    for each in sorted(seconds, reverse=True):
        heapq.heapreplace(ends, ends[0] + each)
    return max(ends)


def _last_end(works: Iterable[Work], *, jobs: int, processors: float) -> float:
    longest_first = sorted(works, key=lambda work: -work.seconds)
    begun = beginnings(longest_first, jobs=jobs, processors=processors)
    return max((began + work.seconds for began, work in zip(begun, longest_first, strict=True)), default=0.0)
