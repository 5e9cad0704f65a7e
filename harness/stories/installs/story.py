# SPDX-License-Identifier: Apache-2.0
"""Scenarios on an installed release: beside each other on one cluster, each with the findings about the install."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from harness.matrix.model import Cell, Scenario
from harness.stories.cluster import PreparedCluster
from harness.stories.installs import scenarios
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story


class Installs(Story):
    """One module a scenario."""

    name = "installs"

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """Those of the modules."""
        return [module.SCENARIO for module in scenarios.discover().values()]

    def doubtful_images(self, cell: Cell) -> Iterable[str]:
        """Those of another Spark than the usual one, which the foundry builds when they are asked for."""
        return cell.scenario.images if cell.scenario.name != cell.scenario.base else ()

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """They need nothing before the cluster."""
        return nullcontext(_Play(run))


class _Play(Play[PreparedCluster]):
    def __init__(self, run: RunContext) -> None:
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        from harness.stories.installs.beside import run_beside

        known = scenarios.discover()
        run_beside(self._run, on, cells, lambda cell: known[cell.scenario.base].run)


STORY = Installs()
