# SPDX-License-Identifier: Apache-2.0
"""Sends a group along a path with moves, and judges its cells by what was seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from kubernetes import client
from urllib3.exceptions import HTTPError

from harness.apps import samples, users
from harness.checks import expectation
from harness.errors import HarnessError, WaitTimeout
from harness.machine import HostSeen
from harness.matrix.model import Cell
from harness.releases.change import Programs
from harness.releases.install import CHECK_NAMESPACE, InstalledRelease
from harness.releases.observe import Unseen
from harness.run import plan
from harness.run.attempt import Attempt, Scene
from harness.run.resources import Resources
from harness.run.setup import Host, Request
from harness.run.slots import Slots
from harness.upgrades import faults, user_apps_judged
from harness.upgrades import judged as moves
from harness.upgrades.faulty import FaultContext
from harness.upgrades.journey import Journey
from harness.upgrades.observed import ObservedPath
from harness.upgrades.prober import Prober
from harness.upgrades.reinstall import ReinstallSeen, reinstall
from harness.upgrades.workload import Workload, WorkloadContext
from harness.verdicts import Finding, errored, failed
from harness.waiting import Cancelled, Deadline

_PATH_SECONDS = 900.0
"""For all that happens along a path, whatever its length."""


class Passage:
    """One group's way along its path."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        *,
        asked: Request,
        host: Host,
        resources: Resources,
        say: Callable[[str], None],
    ) -> None:
        self._attempts = attempts
        self._asked = asked
        self._host = host
        self._resources = resources
        self._say = say
        self._places = Slots(asked.settings.cache_dir / "slots", "path", asked.settings.path_slots)

    def place(self) -> AbstractContextManager[None]:
        """Places for paths of this host, to be held from before its cluster is made until that is gone.

        A cluster that is made beside a path takes the time of what the path waits for. Raises Cancelled.
        """
        return self._places.some(
            plan.places(self._attempts), lambda: self._say("waits until another path is at its end")
        )

    def go(self, scene: Scene, *, seed: int) -> tuple[ObservedPath | None, Finding]:
        """Go along; without a record, the finding says why there is none. Raises Cancelled."""
        nothing = errored("path", "the path was not gone")
        try:
            return self._journey(scene, seed=seed).go(), nothing
        except Cancelled:
            raise
        except WaitTimeout as late:
            return None, failed("path", f"the applications of before were not ready: {late.message}")
        except HarnessError as error:
            return None, errored("path", str(error))
        except (client.ApiException, HTTPError) as away:
            return None, errored("path", f"the API server failed: {away}")

    def judge(self, observed: ObservedPath, cell: Cell) -> list[Finding]:
        """The findings of one cell, with what the catalogue predicted taken into account."""
        if cell.scenario.name == users.NAME:
            findings = list(user_apps_judged.judge(observed))
        else:
            scenario = moves.discover()[cell.scenario.name]
            findings = list(scenario.claims(observed, self._resources.source.digests))
        return expectation.judge(findings, cell.path.known, cell.scenario.name)

    def fail(self, scene: Scene, cell: Cell, *, seed: int, host_now: Callable[[], HostSeen]) -> list[Finding]:
        """Go along the path with the failure that the cell asks for in the middle, and judge it.

        Raises HarnessError for what proves nothing.
        """
        cluster, installed, provider = scene.cluster, scene.installed, scene.provider
        if cluster is None or installed is None or provider is None:
            raise HarnessError("a failure in the middle of an upgrade needs a cluster and an installed release")
        name = cell.scenario.name
        context = FaultContext(
            cluster=cluster,
            provider=provider,
            path=cell.path,
            stops=scene.stops,
            installed=installed,
            programs=self._programs(cell),
            namespace=cell.scenario.namespace,
            folder=self._resources.scratch(f"{cluster.name}/{name}"),
            spark_images=samples.chart_values().spark.images,
            values=self._asked.values,
            resolve=self._resources.source.digests,
            host_now=host_now,
            seed=seed,
            say=lambda text: self._say(f"{name}: {text}"),
        )
        return expectation.judge(faults.discover()[name].run(context), cell.path.known, name)

    @property
    def _runs_user_apps(self) -> bool:
        return any(attempt.cell.scenario.name == users.NAME for attempt in self._attempts)

    def _programs(self, cell: Cell) -> Programs:
        tools = self._host.tools
        return Programs(helm=tools["helm"].path, kubectl=tools[f"kubectl-{cell.environment.minor}"].path)

    def _journey(self, scene: Scene, *, seed: int) -> Journey:
        cluster, installed, cell = scene.cluster, scene.installed, self._attempts[0].cell
        if cluster is None or installed is None:
            raise HarnessError("a path needs a cluster and an installed release")
        path, programs = cell.path, self._programs(cell)
        applications = Workload(
            WorkloadContext(
                cluster=cluster,
                releases=tuple(
                    scene.stops[name].release for name in (path.releases[0], *(it.target for it in path.moves))
                ),
                moves=len(path.moves),
                crds=path.crds,
                watched=plan.watched(self._attempts),
                helm=programs.helm,
                folder=self._resources.scratch(f"{cluster.name}/applications"),
                spark_images=samples.chart_values().spark.images,
                deadline=Deadline(seconds=_PATH_SECONDS),
                user_apps=self._asked.apps if self._runs_user_apps else (),
            )
        )

        def anew(installed: InstalledRelease) -> ReinstallSeen | Unseen:
            return reinstall(
                cluster,
                installed,
                helm=programs.helm,
                namespace=CHECK_NAMESPACE,  # Where no sample was created before.
                folder=self._resources.scratch(f"{cluster.name}/reinstall"),
                images=samples.chart_values().spark.images,
            )

        return Journey(
            cluster=cluster,
            path=path,
            stops=scene.stops,
            installed=installed,
            programs=programs,
            applications=applications,
            prober=Prober(cluster, CHECK_NAMESPACE),
            values=self._asked.values,
            seed=seed,
            reinstall=anew,
            say=self._say,
        )
