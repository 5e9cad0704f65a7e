# SPDX-License-Identifier: Apache-2.0
"""Applications in a queue of Kueue, on an install and along an upgrade, each on a cluster of its own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.kube.interruptions import findings_of
from harness.matrix.facts import SUSPEND
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.cluster import PreparedCluster
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story

if TYPE_CHECKING:
    from harness.matrix.model import Cell
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
        return nullcontext(_Play(run))


class _Play(Play[PreparedCluster]):
    def __init__(self, run: RunContext) -> None:
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        for it in cells:
            with self._run.place() as waited:
                started = time.monotonic()
                found = findings_of(SCENARIO.name, lambda: self._findings(on, it))  # noqa: B023 - called at once
            it.report(found, {"scenario": time.monotonic() - started}, waited=waited)

    def _findings(self, on: PreparedCluster, it: CellRun) -> list[Finding]:
        """Raises HarnessError for what proves nothing."""
        from harness.checks import expectation
        from harness.matrix.addons import named
        from harness.stories.foreseen import foreseen
        from harness.stories.queues.queued import QueueContext
        from harness.stories.queues.steps import run

        context = QueueContext(
            cluster=on.cluster,
            provider=on.provider,
            path=it.cell.path,
            releases=on.releases,
            installed=on.installed,
            programs=self._run.programs(it.cell.environment),
            namespace=it.cell.scenario.namespace,
            folder=self._run.resources.scratch(f"{on.cluster.name}/{SCENARIO.name}"),
            spark_images=samples.chart_values().spark.images,
            values=self._run.values,
            resolve=self._run.resources.source.digests,
            seed=it.seed,
            say=lambda text: self._run.say(f"{SCENARIO.name}: {text}"),
        )
        found = run(context, it.before_deletion)
        added = [named(self._run.catalogue.addons, name) for name in it.cell.environment.addons]
        known = [*foreseen(self._run, on, it.cell), *(each for addon in added for each in addon.known)]
        return expectation.judge(found, known, SCENARIO.name, rows="charts/upgrades.toml and clusters/addons.toml")


STORY = Queues()
