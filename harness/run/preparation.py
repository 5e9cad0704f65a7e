# SPDX-License-Identifier: Apache-2.0
"""Gets a cluster with an installed release for cells that share it, or the finding that says why there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kubernetes import client
from urllib3.exceptions import HTTPError

from harness import providers
from harness.apps import samples
from harness.checks import infrastructure
from harness.cluster import Cluster
from harness.errors import ClusterError, HarnessError, ReleaseError, UnavailableError
from harness.host import pressure
from harness.machine import HostSeen
from harness.matrix.model import Release
from harness.providers.base import ClusterSpec, Provider, ProviderTools
from harness.releases import relocate, shared
from harness.releases.fitting import misfit
from harness.releases.helm import Helm
from harness.releases.install import OPERATOR_NAMESPACE, RELEASE_NAME, install
from harness.run.attempt import Attempt, Scene
from harness.run.locking import Locker
from harness.run.resources import Resources
from harness.run.setup import Host, Request
from harness.run.slots import CREATIONS, Slots
from harness.upgrades import workload
from harness.upgrades.journey import Stop
from harness.verdicts import Finding, errored, failed, unavailable

_API_SECONDS = 30.0


class Preparation:
    """Prepares one cluster for these attempts."""

    def __init__(
        self,
        name: str,
        attempts: Sequence[Attempt],
        *,
        cluster_name: str,
        asked: Request,
        host: Host,
        resources: Resources,
        locker: Locker,
        say: Callable[[str], None],
    ) -> None:
        self._name = name
        self._attempts = attempts
        self._environment = attempts[0].cell.environment
        self._cluster_name = cluster_name
        self._asked = asked
        self._host = host
        self._resources = resources
        self._locker = locker
        self._say = say
        self._began = pressure.Mark.now()
        self._creations = Slots(asked.settings.cache_dir / "slots", "creation", CREATIONS)

    def provider(self) -> Provider:
        """The provider of the environment, with its programs. Raises CatalogueError for an unknown one."""
        tools = self._host.tools
        return providers.named(self._environment.provider)(
            ProviderTools(
                programs={name: tool.path for name, tool in tools.items()}
                | {"kubectl": tools[f"kubectl-{self._environment.minor}"].path}
            )
        )

    def prepare(self, scene: Scene) -> Finding | None:
        """Cluster and release; a finding when there is nothing for the cells to run on. Raises Cancelled."""
        if scene.provider is None:
            raise HarnessError("a cluster needs a provider")
        self._began = pressure.Mark.now()
        settings, cell = self._asked.settings, self._attempts[0].cell
        release = scene.release = self._asked.catalogue.release(cell.path.releases[0])
        try:
            node = self._resources.node_image(self._environment)
            helper = self._resources.helper_image(self._environment)
            scene.images.append(node)
            self._locker.learn(node=node)
            scene.stops = self._stops(cell.path.releases)
        except UnavailableError as missing:
            return unavailable("inputs-available", str(missing))
        first = scene.stops[release.name]
        refusal = self._locker.refusal(cell)
        refusal = refusal or self._misfit(first)
        if refusal is not None:
            return refusal
        self._say(f"{self._name}: creating cluster {self._cluster_name} from {node.reference}")
        if self._resources.ledger is not None:
            self._resources.ledger.planned("cluster", self._cluster_name)
        spec = ClusterSpec(
            name=self._cluster_name,
            run_id=self._resources.run_id,
            environment=self._environment,
            node_image=node.reference,
            network=self._resources.network,
            mirrors=scene.stage.mirrors(self._resources.source.mirrors)
            if scene.stage
            else self._resources.source.mirrors,
            preload=() if scene.stage else self._preload(release),
            helper_image=helper,
            folder=self._resources.scratch(self._cluster_name),
            timeout=settings.cluster_timeout,
        )
        try:
            with self._creations.some():
                scene.cluster = scene.provider.create(spec)
        except ClusterError as error:
            diagnosis = infrastructure.of_creation(self.host_now(), str(error))
            scene.diagnoses = {attempt.name: diagnosis for attempt in self._attempts}
            return errored("cluster-created", str(error))
        self._resources.learn_volumes(scene.cluster.nodes)
        scene.phases.update({f"cluster-{phase}": seconds for phase, seconds in scene.cluster.seconds.items()})
        namespaces = self.namespaces()
        bare = cell.scenario.needs.installed == "nothing"
        self._say(f"{self._name}: cluster is ready{'' if bare else f', installing release {release.name}'}")
        try:
            self._create_namespaces(scene.cluster, [*namespaces, OPERATOR_NAMESPACE] if bare else namespaces)
            if bare:
                return None
            if release.relocated:
                relocate.prepare(
                    scene.cluster, release, OPERATOR_NAMESPACE, login=self._resources.login(release.registry)
                )
            scene.installed = install(
                scene.cluster,
                release,
                chart=first.chart,
                helm=self._host.tools["helm"].path,
                job_namespaces=namespaces,
                values=(first.values, *self._asked.values),
            )
            scene.before = shared.look(scene.cluster, OPERATOR_NAMESPACE)
        except ReleaseError as error:
            return failed("release-installed", str(error))
        except UnavailableError as error:
            return unavailable("release-installed", str(error))
        except (client.ApiException, HTTPError) as away:
            return errored("release-installed", f"the API server failed: {away}")
        except HarnessError as error:
            return errored("release-installed", str(error))
        scene.phases.update({f"install-{phase}": seconds for phase, seconds in scene.installed.seconds.items()})
        self._say(f"{self._name}: release {release.name} is ready, running {len(self._attempts)} cells")
        return None

    def _misfit(self, first: Stop) -> Finding | None:
        """The user's mistake where the chart that is installed first does not render with --values.

        Whether the charts after it do is what an upgrade shows.
        """
        if not self._asked.options.values or self._asked.lock is not None:
            return None
        mine = len(self._asked.options.values)
        own = ({"spark": {"jobNamespaces": self.namespaces()}}, first.values, *self._asked.values[:-mine])
        helm = Helm(self._host.tools["helm"].path)
        said = misfit(helm, first.chart, RELEASE_NAME, OPERATOR_NAMESPACE, own, self._asked.values[-mine:])
        if not said:
            return None
        files = ", ".join(map(str, self._asked.options.values))
        return errored(
            "values-fit",
            f"the values of --values ({files}) do not fit the chart of {first.release.name}: {said}\n"
            "  next: correct them, compare with `helm show values`",
        )

    def namespaces(self) -> list[str]:
        """The job namespaces: one for each cell, and on a path with moves those of the applications that run there.

        The latter belong to one pass, whichever of its scenarios was asked for.
        """
        names = [attempt.cell.scenario.namespace for attempt in self._attempts]
        if self._attempts[0].cell.path.moves:
            names += workload.NAMESPACES
        return [*dict.fromkeys(names)]

    def _stops(self, names: Sequence[str]) -> dict[str, Stop]:
        """The releases of the path with their charts. Raises UnavailableError. --chart is about the last of them."""
        found: dict[str, Stop] = {}
        for name in names:
            release = self._asked.catalogue.release(name)
            own = (self._asked.options.chart or "") if name == names[-1] else ""
            chart = self._resources.chart(release, wanted=own)
            found[name] = Stop(release=release, chart=chart, values=relocate.values_for(release))
        self._locker.learn(
            chart=found[names[-1]].chart, before={name: stop.chart for name, stop in found.items() if name != names[-1]}
        )
        return found

    def host_now(self) -> HostSeen:
        """The room that the host has at this moment, and its load since the cluster was begun."""
        return pressure.look([self._asked.settings.cache_dir, self._host.engine_data], self._began)

    def _create_namespaces(self, cluster: Cluster, names: Sequence[str]) -> None:
        with cluster.api_client() as api:
            core = client.CoreV1Api(api)
            for name in names:
                core.create_namespace(
                    client.V1Namespace(metadata=client.V1ObjectMeta(name=name)), _request_timeout=_API_SECONDS
                )

    def _preload(self, release: Release) -> tuple[str, ...]:
        spark = [image for attempt in self._attempts for image in attempt.cell.scenario.images]
        if self._attempts[0].cell.path.moves:
            spark.append(samples.chart_values().spark.image)
        held = self._resources.held_images(self._environment)
        return tuple(image for image in dict.fromkeys([release.image, *spark]) if image not in held)
