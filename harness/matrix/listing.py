# SPDX-License-Identifier: Apache-2.0
"""The matrix for people and for CI: a table with notes, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.table import Table

from harness.matrix import expand
from harness.matrix.estimate import Estimator
from harness.matrix.model import Cell
from harness.matrix.rules import LeftOut
from harness.matrix.shards import Shard
from harness.wording import counted


def table(
    cells: Sequence[Cell],
    estimator: Estimator,
    *,
    unavailable: Mapping[str, str] | None = None,
    shards: Sequence[Shard] = (),
) -> Table:
    """A table of cells. Minutes are those of a cell alone; the first cell of a cluster also has the cluster's total.

    `unavailable` are reasons by cell id.
    """
    reasons = unavailable or {}
    shard_of = {cell.id: shard.number for shard in shards for cell in shard.cells}
    shown = Table(pad_edge=False)
    for column in ("environment", "path", "scenario", "tags"):
        shown.add_column(column, overflow="fold")
    for column in ("minutes", "with cluster"):
        shown.add_column(column, justify="right")
    if shards:
        shown.add_column("shard", justify="right")
    if reasons:
        shown.add_column("unavailable", overflow="fold")
    for group in expand.groups(cells).values():
        together = estimator.group(group).minutes
        for number, cell in enumerate(group):
            row = [cell.environment.name, cell.path.name, cell.scenario.name, " ".join(cell.tags)]
            row += [estimator.cell(cell).minutes, "" if number else together]
            row += [str(shard_of[cell.id])] if shards else []
            row += [reasons.get(cell.id, "")] if reasons else []
            shown.add_row(*row)
        shown.add_section()
    return shown


def notes(
    cells: Sequence[Cell], estimator: Estimator, *, jobs: int, left_out: Iterable[LeftOut] = (), public: bool = False
) -> Iterator[str]:
    """The notes under the table: totals, guesses, excluded cells and why.

    With `public` the node images come from public registries: those without a digest are named.
    """
    clusters, whole = expand.groups(cells), estimator.run(cells, jobs=jobs)
    time = f"{'~' if whole.guess else 'about '}{whole.seconds / 60:.0f}"
    yield f"{counted(len(cells), 'cell')} on {counted(len(clusters), 'cluster')}, {time} minutes with --jobs {jobs}"
    if whole.guess:
        yield "~ marks estimates that are not based on an earlier run on this machine"
    why: dict[tuple[str, str], int] = {}
    for out in left_out:
        why[out.reason, out.link] = why.get((out.reason, out.link), 0) + 1
    for (reason, link), number in why.items():
        yield f"excluded: {counted(number, 'cell')}: {reason} ({link})"
    loose = dict.fromkeys(
        it.environment.name for it in cells if it.environment.node_image and not it.environment.pinned
    )
    if public and loose:
        yield f"node image without a digest, which may change at any time: {', '.join(loose)}"


def shard_notes(shards: Iterable[Shard]) -> Iterator[str]:
    """A line for each shard."""
    for shard in shards:
        clusters = counted(len(expand.groups(shard.cells)), "cluster")
        minutes = shard.expected.minutes
        yield f"shard {shard.number}: {counted(len(shard.cells), 'cell')} on {clusters}, about {minutes} minutes"


def as_json(cells: Sequence[Cell], estimator: Estimator) -> str:
    """One line of JSON, an array that a CI matrix can read; `guess` says that a cell never ran here."""
    return json.dumps(
        [
            {
                "id": cell.id,
                "environment": cell.environment.name,
                "path": cell.path.name,
                "scenario": cell.scenario.name,
                "tags": list(cell.tags),
                "expected_minutes": round(estimator.cell(cell).seconds / 60, 1),
                "guess": estimator.cell(cell).guess,
            }
            for cell in cells
        ]
    )
