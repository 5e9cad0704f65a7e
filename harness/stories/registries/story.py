# SPDX-License-Identifier: Apache-2.0
"""Scenarios about registries: their cluster has registries of its own, and its cells run one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

from harness import late
from harness.apps import samples
from harness.errors import UnavailableError
from harness.stories.cluster import BareCluster, PreparedCluster
from harness.stories.in_turn import run_in_turn
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story
from harness.stories.registries import own_registries, scenarios
from harness.waiting import Deadline

if TYPE_CHECKING:
    from harness.matrix.model import Cell, Scenario
    from harness.providers import network
    from harness.releases import install
    from harness.stories.registries import context
    from harness.verdicts import Finding
else:
    install = late.module("harness.releases.install")
    context = late.module("harness.stories.registries.context")
    network = late.module("harness.providers.network")


class Registries(Story):
    """One module makes one scenario, or one for each row of clusters/pulls.toml."""

    name = "registries"
    breaks_things = True
    enters_nodes = True

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """Those of the modules."""
        return [known.scenario for known in scenarios.discover().values()]

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """The registries of the cluster, up until it is gone.

        Raises UnavailableError where no storage of images is at hand.
        """
        return _opened(run, cells[0], cluster_name)


@contextmanager
def _opened(run: RunContext, first: Cell, cluster_name: str) -> Iterator[Play[BareCluster]]:
    if run.resources.source.kind != "foundry":
        raise UnavailableError(
            "scenarios about registries serve what the foundry built, under upstream's names", "add --source foundry"
        )
    version = run.catalogue.release(first.path.releases[-1]).version
    with own_registries.ClusterRegistries(
        scenarios.discover()[first.scenario.name].setup,
        release=run.catalogue.release(version),
        copy=run.catalogue.release(f"{version}@{own_registries.HUB}"),
        spark=samples.chart_values().spark.image,
        storage=run.storage,
        binary=run.tools["registry"],
        gateway=network.gateway(run.resources.network),
        folder=run.resources.scratch(f"{cluster_name}/registries"),
        login=run.resources.login(own_registries.HUB),
    ) as registries:
        yield _Play(run, registries)


class _Play(Play[BareCluster]):
    def __init__(self, run: RunContext, registries: own_registries.ClusterRegistries) -> None:
        self.registries = self._own = registries
        self._run = run

    def run(self, on: BareCluster, cells: Sequence[CellRun]) -> None:
        """One after the other: each changes what the next one finds there."""
        current = context.CurrentRelease(installed=on.installed if isinstance(on, PreparedCluster) else None)
        run_in_turn(
            self._run,
            cells,
            lambda it: self._findings(on, current, it),
            operator_ran=lambda: current.installed is not None,
        )

    def _findings(self, on: BareCluster, current: context.CurrentRelease, it: CellRun) -> list[Finding]:
        cell, run = it.cell, self._run
        name, programs = cell.scenario.name, run.programs(cell.environment)
        target = on.releases[cell.path.releases[-1]]
        surroundings = context.PullContext(
            cluster=on.cluster,
            release=target.release,
            namespace=cell.scenario.namespace,
            operator_namespace=run.home.namespace,
            release_name=run.home.name,
            helm=programs.helm,
            folder=run.resources.scratch(f"{on.cluster.name}/{name}"),
            spark_images=samples.chart_values().spark.images,
            deadline=Deadline(seconds=cell.scenario.timeout),
            before_deletion=it.before_deletion,
            seed=it.seed,
            provider=on.provider,
            registries=self._own,
            current=current,
            path=cell.path,
            releases=on.releases,
            chart=target.chart,
            programs=programs,
            values=run.values,
            job_namespaces=on.job_namespaces,
            host_now=run.host_now,
            gather=it.gather,
            reports=it.reports,
            say=lambda text: run.say(f"{name}: {text}"),
        )
        return scenarios.discover()[name].run(surroundings)


STORY = Registries()
