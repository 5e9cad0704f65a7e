# SPDX-License-Identifier: Apache-2.0
"""What the catalogue expects of a cell on its cluster, with the values of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.releases import conditions

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Known
    from harness.stories.cluster import PreparedCluster
    from harness.stories.protocol import RunContext


def foreseen(run: RunContext, on: PreparedCluster, cell: Cell) -> list[Known]:
    """The known breaks of its path that its values bring about."""
    return list(conditions.in_force(cell.path.known, on.releases, run.values, prepared=bool(on.before.also)))
