# SPDX-License-Identifier: Apache-2.0
"""What the catalogue expects of a cell on its cluster, with the values of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.checks import expectation
from harness.kube import others
from harness.matrix.known_rows import INSTALLED
from harness.releases import conditions
from harness.verdicts import Finding, passed

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Known
    from harness.stories.cluster import PreparedCluster
    from harness.stories.protocol import RunContext


def judged(
    run: RunContext,
    on: PreparedCluster,
    cell: Cell,
    findings: Sequence[Finding],
    *,
    also: Sequence[Known] = (),
    rows: str = "charts/upgrades.toml",
) -> list[Finding]:
    """The findings of a cell whose install got to its end, in view of what was foreseen of it, and of the rows `also`.

    `rows` is what the foreseen is from.
    """
    known = [*foreseen(run, on, cell), *also]
    found = list(findings)
    if any(it.check == INSTALLED for it in known):
        found.append(passed(INSTALLED, f"release {cell.path.releases[0]} was installed"))
    of_release = expectation.judge(found, known, cell.scenario.base, rows=rows)
    return others.judged(of_release, promised=cell.environment.restricted)


def foreseen(run: RunContext, on: PreparedCluster, cell: Cell) -> list[Known]:
    """The known breaks of its path that its values bring about."""
    return list(
        conditions.in_force(cell.path.known, on.releases, run.values, helm=run.helm, prepared=bool(on.before.also))
    )
