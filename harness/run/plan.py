# SPDX-License-Identifier: Apache-2.0
"""Which cells share a cluster, in which order clusters are made, and when each is expected to begin and to end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from rich.table import Table

from harness import stories
from harness.matrix.costs import costs
from harness.matrix.estimate import Expected, Work, beginnings
from harness.matrix.model import Cell
from harness.report.model import PlannedCluster
from harness.run.attempt import Attempt
from harness.wording import counted

_LISTED = 4


Expect = Callable[[Sequence[Cell]], Expected]
"""How long the cells of one cluster will take, the cluster counted."""


def grouped(attempts: Iterable[Attempt], *, share: bool = True) -> list[list[Attempt]]:
    """The attempts by the cluster that they get.

    Attempts at cells of the same environment and path share one, unless their scenarios need another, or `share` is
    False. The n-th attempts are always apart from the others.
    """
    found: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in attempts:
        cluster = attempt.cell.cluster if share else attempt.cell.id
        found.setdefault((cluster, attempt.number), []).append(attempt)
    return [_together(attempts) for attempts in found.values()]


def _together(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Each with what all of them watch on their pass along the path."""
    together = watched(attempts)
    return [replace(attempt, beside=together) for attempt in attempts]


def watched(attempts: Iterable[Attempt]) -> frozenset[str]:
    """The applications that run while these attempts go along their path."""
    return frozenset[str]().union(*(attempt.watched for attempt in attempts))


def job_namespaces(attempts: Iterable[Attempt]) -> list[str]:
    """The job namespaces of all cells, each once."""
    cells = [attempt.cell for attempt in attempts]
    return [*dict.fromkeys(it for cell in cells for it in stories.of(cell.scenario).job_namespaces(cell))]


def images(attempts: Iterable[Attempt]) -> list[str]:
    """The images that the cells' pods run, besides the operator's, each once."""
    cells = [attempt.cell for attempt in attempts]
    return [*dict.fromkeys(it for cell in cells for it in stories.of(cell.scenario).images(cell))]


def processors(attempts: Sequence[Attempt]) -> float:
    """How many processors these attempts take, which share a cluster."""
    return costs().of([attempt.cell for attempt in attempts], watched(attempts))


def planned(
    groups: Sequence[Sequence[Attempt]], *, names: Sequence[str], jobs: int, budget: float, expect: Expect
) -> list[PlannedCluster]:
    """When each group begins, and on which cluster; in their order.

    `jobs` of them run at a time, and no more than `budget` has processors for.
    """
    times = [expect([attempt.cell for attempt in group]) for group in groups]
    works = [Work(seconds=it.seconds, processors=processors(group)) for it, group in zip(times, groups, strict=True)]
    begun = beginnings(works, jobs=jobs, processors=budget)
    plan = []
    for group, name, expected, starts in zip(groups, names, times, begun, strict=True):
        first = group[0].cell
        plan.append(
            PlannedCluster(
                cluster=name,
                environment=first.environment.name,
                path=first.path.name,
                cells=tuple(attempt.name for attempt in group),
                starts=round(starts, 1),
                seconds=round(expected.seconds, 1),
                guess=expected.guess,
            )
        )
    return plan


def ordered(groups: Sequence[Sequence[Attempt]], *, jobs: int, expect: Expect) -> list[Sequence[Attempt]]:
    """The groups in the order in which they begin: as chosen, or the longest first where several run at a time.

    With the longest first, none of them begins late and runs alone at the end.
    """
    if jobs < 2:
        return list(groups)
    return sorted(groups, key=lambda group: -expect([attempt.cell for attempt in group]).seconds)


def table(plan: Sequence[PlannedCluster], *, jobs: int) -> Table:
    """The plan as it is printed before the run."""
    ends = max((it.starts + it.seconds for it in plan), default=0.0)
    guessed = any(it.guess for it in plan)
    cells = sum(len(it.cells) for it in plan)
    shown = Table(
        title=f"plan: {counted(cells, 'cell')} on {counted(len(plan), 'cluster')}, {jobs} at a time, "
        f"about {_minutes(ends)}{' (~ is a guess: no earlier run says more)' if guessed else ''}",
        title_justify="left",
    )
    shown.add_column("cluster", no_wrap=True)
    shown.add_column("from", justify="right")
    shown.add_column("to", justify="right")
    shown.add_column("environment and path", overflow="fold")
    shown.add_column("cells", overflow="fold")
    for it in plan:
        mark = "~" if it.guess else ""
        shown.add_row(
            it.cluster,
            _minutes(it.starts),
            f"{mark}{_minutes(it.starts + it.seconds)}",
            f"{it.environment}/{it.path}",
            _listed([name.rpartition("/")[2] for name in it.cells]),
        )
    return shown


def _listed(names: Sequence[str]) -> str:
    if len(names) <= _LISTED:
        return ", ".join(names)
    return f"{', '.join(names[: _LISTED - 1])} and {len(names) - _LISTED + 1} more"


def _minutes(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
