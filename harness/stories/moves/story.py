# SPDX-License-Identifier: Apache-2.0
"""Scenarios of paths with moves: one run of the path, judged by all cells of its cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.stories.cluster import PreparedCluster
from harness.stories.moves import scenarios
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Scenario
    from harness.upgrades.observed import ObservedPath
    from harness.verdicts import Finding


class Moves(Story):
    """One module a scenario."""

    name = "moves"

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """Those of the modules."""
        return [module.SCENARIO for module in scenarios.discover().values()]

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """They need nothing before the cluster."""
        return nullcontext(_Play(run))

    def job_namespaces(self, cell: Cell) -> Iterable[str]:
        """With those of the applications beside the moves."""
        from harness.stories.moves import path

        return path.job_namespaces(cell)

    def images(self, cell: Cell) -> Iterable[str]:
        """With that of the applications beside the moves."""
        from harness.stories.moves import path

        return path.images(cell)


class _Play(Play[PreparedCluster]):
    def __init__(self, run: RunContext) -> None:
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        from harness.stories.moves import path

        path.run_together(self._run, on, cells, self._judge)

    def _judge(self, observed: ObservedPath, cell: Cell) -> Iterable[Finding]:
        return scenarios.discover()[cell.scenario.name].claims(observed, self._run.resources.source.digests)


STORY = Moves()
