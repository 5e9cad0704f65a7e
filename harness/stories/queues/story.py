# SPDX-License-Identifier: Apache-2.0
"""Applications in a queue of Kueue, on an install and along an upgrade, each on a cluster of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.matrix.facts import SUSPEND
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.in_turn import InTurn
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story

if TYPE_CHECKING:
    from harness.matrix.model import Cell
    from harness.stories.cluster import PreparedCluster
    from harness.verdicts import Finding

SCENARIO = Scenario(
    name="kueue",
    summary="Kueue holds applications back, admits them as its queue has room, and preempts one for an urgent one",
    timeout=900.0,
    images=(samples.chart_values().spark.image,),
    needs_features=(SUSPEND,),
    needs=ClusterNeeds(paths=("install", "upgrade"), cluster="kueue", addons=("kueue",), places=2),
    takes_for_granted=("webhook",),
)


class Queues(Story):
    """One scenario: what it does before an upgrade, beside it and after it, it does on an install in a row."""

    name = "queues"

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """The one."""
        return [SCENARIO]

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """It needs nothing before the cluster."""
        return nullcontext(InTurn(run, _findings))


def _findings(run: RunContext, on: PreparedCluster, it: CellRun) -> list[Finding]:
    """Raises HarnessError for what proves nothing."""
    from harness.matrix.addons import named
    from harness.stories.foreseen import judged
    from harness.stories.path_context import path_context
    from harness.stories.queues import steps

    found = steps.run(path_context(run, on, it), it.before_deletion)
    added = [named(run.catalogue.addons, name) for name in it.cell.environment.addons]
    known = [each for addon in added for each in addon.known]
    return judged(run, on, it.cell, found, also=known, rows="charts/upgrades.toml and clusters/addons.toml")


STORY = Queues()
