# SPDX-License-Identifier: Apache-2.0
"""What the catalogue expects of a cell on its cluster, with the values of the run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.checks import expectation
from harness.releases import conditions
from harness.verdicts import Finding, passed

INSTALLED = "release-installed"
"""The check of an install that did not get to its end. Where it did, no cell has it."""

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Known
    from harness.stories.cluster import PreparedCluster
    from harness.stories.protocol import RunContext


def judged(run: RunContext, on: PreparedCluster, cell: Cell, findings: Sequence[Finding]) -> list[Finding]:
    """The findings of a cell on an install that got to its end, in view of what was foreseen of it."""
    known = foreseen(run, on, cell)
    if not any(it.check == INSTALLED for it in known):
        return expectation.judge(findings, known, cell.scenario.base)
    held = passed(INSTALLED, f"release {on.installed.release.name} was installed")
    return expectation.judge([*findings, held], known, cell.scenario.base)


def foreseen(run: RunContext, on: PreparedCluster, cell: Cell) -> list[Known]:
    """The known breaks of its path that its values bring about."""
    return list(
        conditions.in_force(cell.path.known, on.releases, run.values, helm=run.helm, prepared=bool(on.before.also))
    )
