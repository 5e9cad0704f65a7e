# SPDX-License-Identifier: Apache-2.0
"""Failures in the middle of an upgrade: each makes its own happen, and judges what is left and the way out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.kube.interruptions import findings_of
from harness.stories.cluster import PreparedCluster
from harness.stories.failures import scenarios
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Scenario
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
        return nullcontext(_Play(run))


class _Play(Play[PreparedCluster]):
    def __init__(self, run: RunContext) -> None:
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        for it in cells:
            with self._run.place() as waited:
                started = time.monotonic()
                found = findings_of(it.cell.scenario.name, lambda: self._findings(on, it))  # noqa: B023 - called at once
            it.report(found, {"scenario": time.monotonic() - started}, waited=waited)

    def _findings(self, on: PreparedCluster, it: CellRun) -> list[Finding]:
        """Raises HarnessError for what proves nothing."""
        from harness.checks import expectation
        from harness.stories.failures.fault import FaultContext
        from harness.stories.foreseen import foreseen

        cell, run = it.cell, self._run
        name = cell.scenario.name
        context = FaultContext(
            cluster=on.cluster,
            provider=on.provider,
            path=cell.path,
            releases=on.releases,
            installed=on.installed,
            programs=run.programs(cell.environment),
            namespace=cell.scenario.namespace,
            folder=run.resources.scratch(f"{on.cluster.name}/{name}"),
            spark_images=samples.chart_values().spark.images,
            values=run.values,
            resolve=run.resources.source.digests,
            host_now=run.host_now,
            seed=it.seed,
            say=lambda text: run.say(f"{name}: {text}"),
        )
        return expectation.judge(scenarios.discover()[name].run(context), foreseen(run, on, cell), name)


STORY = Failures()
