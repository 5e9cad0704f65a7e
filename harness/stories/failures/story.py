# SPDX-License-Identifier: Apache-2.0
"""Failures in the middle of an upgrade: each makes its own happen, and judges what is left and the way out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.stories.failures import scenarios
from harness.stories.in_turn import InTurn
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Scenario
    from harness.stories.cluster import PreparedCluster
    from harness.verdicts import Finding


class Failures(Story):
    """One module a failure."""

    name = "failures"
    breaks_things = True
    enters_nodes = True

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """Those of the modules."""
        return [module.SCENARIO for module in scenarios.discover().values()]

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """They need nothing before the cluster."""
        return nullcontext(InTurn(run, _findings))


def _findings(run: RunContext, on: PreparedCluster, it: CellRun) -> list[Finding]:
    """Raises HarnessError for what proves nothing."""
    from harness.stories.foreseen import judged
    from harness.stories.path_context import path_context

    name = it.cell.scenario.name
    found = scenarios.discover()[name].run(path_context(run, on, it))
    return judged(run, on, it.cell, found)


STORY = Failures()
