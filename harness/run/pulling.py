# SPDX-License-Identifier: Apache-2.0
"""Runs the scenarios about registries: one cluster a family, with registries of its own, its cells one by one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.apps import samples
from harness.errors import HarnessError, UnavailableError
from harness.foundry import images as foundry_images
from harness.machine import HostSeen
from harness.matrix.model import Cell
from harness.providers import network
from harness.pulls import scenarios
from harness.pulls.context import PullContext, Site
from harness.pulls.stage import HUB, Stage
from harness.releases.change import Programs
from harness.releases.install import OPERATOR_NAMESPACE
from harness.run.attempt import Scene
from harness.run.resources import Resources
from harness.run.setup import Host, Request
from harness.verdicts import Finding
from harness.waiting import Deadline


@dataclass(frozen=True, kw_only=True)
class Around:
    """What surrounds one cell: the job namespaces of all of the cluster, who gathers evidence, the host, the seed.

    `reports` is what the run writes into.
    """

    job_namespaces: Sequence[str]
    before_deletion: Callable[[Sequence[Finding]], None]
    host_now: Callable[[], HostSeen]
    gather: Callable[[Path], object]
    reports: Path
    seed: int


class Pulling:
    """One cluster's registries and its cells; `wanted` tells whether its cells are about registries at all."""

    def __init__(
        self, first: Cell, *, asked: Request, host: Host, resources: Resources, say: Callable[[str], None]
    ) -> None:
        self._first = first
        self._asked = asked
        self._host = host
        self._resources = resources
        self._say = say
        self.wanted = first.scenario.name in scenarios.discover()

    def staged(self, cluster_name: str) -> Stage:
        """The registries for the cluster of this family, to be entered.

        Raises UnavailableError where no storage of images is at hand.
        """
        if self._host.choice.kind != "foundry":
            raise UnavailableError(
                "scenarios about registries serve what the foundry built, under upstream's names",
                "add --source foundry",
            )
        catalogue = self._asked.catalogue
        version = catalogue.release(self._first.path.releases[-1]).version
        return Stage(
            scenarios.discover()[self._first.scenario.name].staging,
            release=catalogue.release(version),
            copy=catalogue.release(f"{version}@{HUB}"),
            spark=samples.chart_values().spark.image,
            storage=foundry_images.registries(self._asked.settings),
            binary=self._host.tools["registry"].path,
            gateway=network.gateway(self._resources.network),
            folder=self._resources.scratch(f"{cluster_name}/registries"),
            login=self._resources.login(HUB),
        )

    def run(self, scene: Scene, site: Site, cell: Cell, around: Around) -> list[Finding]:
        """Run one cell. Raises HarnessError without a cluster, and Cancelled."""
        cluster, provider, stage = scene.cluster, scene.provider, scene.stage
        if cluster is None or provider is None or stage is None:
            raise HarnessError("a cell about registries needs them and a cluster")
        name = cell.scenario.name
        target = scene.stops[cell.path.releases[-1]]
        helm = self._host.tools["helm"].path
        context = PullContext(
            cluster=cluster,
            release=target.release,
            namespace=cell.scenario.namespace,
            operator_namespace=OPERATOR_NAMESPACE,
            helm=helm,
            folder=self._resources.scratch(f"{cluster.name}/{name}"),
            spark_images=samples.chart_values().spark.images,
            deadline=Deadline(seconds=cell.scenario.timeout),
            before_deletion=around.before_deletion,
            seed=around.seed,
            provider=provider,
            stage=stage,
            site=site,
            path=cell.path,
            stops=scene.stops,
            chart=target.chart,
            programs=Programs(helm=helm, kubectl=self._host.tools[f"kubectl-{cell.environment.minor}"].path),
            values=self._asked.values,
            job_namespaces=tuple(around.job_namespaces),
            host_now=around.host_now,
            gather=around.gather,
            reports=around.reports,
            say=lambda text: self._say(f"{name}: {text}"),
        )
        return scenarios.discover()[name].run(context)
