# SPDX-License-Identifier: Apache-2.0
"""Gets a cluster with an installed release for cells that share it, or the finding that says why there is none."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from harness import providers
from harness.checks import expectation, infrastructure
from harness.errors import ClusterError, PullError, ReleaseError, UnavailableError
from harness.existing.inventory import Inventory
from harness.host import pressure
from harness.images.mirrors import MirrorMap
from harness.kube import others
from harness.kube.cluster import Cluster
from harness.kube.interruptions import finding_of
from harness.machine import HostSeen
from harness.matrix import path_names
from harness.matrix.known_rows import INSTALLED
from harness.matrix.path_names import by_argo_cd
from harness.providers.base import ClusterSpec, Provider, ProviderTools
from harness.providers.outside import way_out
from harness.releases import applying, conditions, crds, relocate, shared
from harness.releases.argocd.programs import ArgoCdImage
from harness.releases.install import INSTALL_SECONDS, BegunInstall, begin, finish
from harness.releases.on_path import ReleaseOnPath
from harness.releases.ways.protocol import Programs
from harness.run import argo, handover, path_releases, plan
from harness.run.attempt import Attempt, ClusterRecord
from harness.run.early_install import EarlyInstall
from harness.run.ground import Ground
from harness.run.handover import Spare
from harness.run.locking import Locker
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.run.slots import CREATIONS, Slots
from harness.stories.cluster import BareCluster, PreparedCluster
from harness.verdicts import Finding, errored, failed, unavailable
from harness.waiting import Cancelled, Deadline
from harness.wording import counted

_MUCH_LOAD = 4.0
"""With less for each processor nobody asks whose it was."""


class Preparation:
    """Prepares one cluster for these attempts, and notes in its record what is known of it."""

    def __init__(
        self,
        name: str,
        attempts: Sequence[Attempt],
        record: ClusterRecord,
        *,
        cluster_name: str,
        asked: Request,
        host: Host,
        resources: Resources,
        locker: Locker,
        say: Callable[[str], None],
        followed: bool = False,
    ) -> None:
        """`followed` says that another path may begin on the cluster where this one ends."""
        self.picture: Inventory | None = None
        self._followed = followed
        self._name = name
        self._attempts = attempts
        self._record = record
        self._environment = attempts[0].cell.environment
        self._cluster_name = cluster_name
        self._asked = asked
        self._host = host
        self._resources = resources
        self._locker = locker
        self._say = say
        self._began = pressure.Mark.now()
        self._ground = Ground(asked, host, attempts)
        self._creations = Slots(asked.settings.cache_dir / "slots", "creation", CREATIONS)

    def provider(self) -> Provider:
        """The provider of the environment, with its programs. Raises CatalogueError for an unknown one."""
        tools = self._host.tools
        return providers.named(self._environment.provider)(
            ProviderTools(
                programs={name: tool.path for name, tool in tools.items()}
                | {"kubectl": tools[f"kubectl-{self._environment.minor}"].path},
                guest=self._resources.guest,
            )
        )

    def programs(self) -> Programs:
        """What the ways of installing call here."""
        return Programs.of({name: it.path for name, it in self._host.tools.items()}, self._environment.minor)

    def prepare(self, provider: Provider, spare: Spare | None = None) -> BareCluster | Finding:
        """Cluster and release; a finding when there is nothing for the cells to run on. Raises Cancelled.

        With a `spare` no cluster is made.
        """
        self._began = pressure.Mark.now()
        cell = self._attempts[0].cell
        try:
            node, helper = self._node(provider)
            releases = path_releases.find(self._asked, self._resources, self._locker, cell.path)
            if not provider.guest:
                self._ground.gather(self._resources.source)
            self._locker.learn(addons=self._ground.before.addons)
            argocd = argo.image(self._asked.settings, self._say_here) if by_argo_cd(cell.path) else None
        except UnavailableError as missing:
            return unavailable("inputs-available", str(missing))
        except PullError as trouble:
            return errored("inputs-available", str(trouble))
        first = releases[cell.path.releases[0]]
        # What a user's values ask for, a user's cluster has.
        refusal = self._locker.refusal(cell) or (
            self._ground.mistakes(first) if provider.guest else self._ground.problem(first, releases)
        )
        if refusal is not None:
            return refusal
        if not provider.guest:
            self._record.told = self._ground.told
            for line in self._record.told:
                self._say_here(line)
        # A picture of the cluster as it was before everything has no release in it.
        early = None if provider.guest or argocd or spare or self._followed else self._early(first)
        made = (
            self._taken(spare, provider, releases) if spare else self._create(provider, node, helper, releases, early)
        )
        if isinstance(made, Finding):
            return made
        self._record.made = made
        if self._followed:
            self.picture = spare.picture if spare else handover.picture_of(made.cluster)
        lacking = self._not_fetched()
        if lacking is not None:
            return lacking
        # Where nothing but mirrors may be asked, a result must not rest on what came from elsewhere.
        outside = way_out(provider, made.cluster) if self._mirrors().closes and not provider.guest else ""
        if outside:
            return errored("mirrors-in-force", outside)
        installs = cell.scenario.needs.installed == "first-release"
        try:
            if argocd:
                self._begin_argocd(made.cluster, argocd, releases)
            prepared = self._install(made, first, early) if installs else self._bare(made)
        except Cancelled:
            raise
        except Exception as error:
            found = finding_of(INSTALLED, error, {ReleaseError: failed, UnavailableError: unavailable})
            return self._ground.refused(self._as_known(found, releases), first)
        self._record.made = prepared
        return prepared

    def blamed(self, finding: Finding, release: ReleaseOnPath) -> Finding:
        """The finding about a move to a release, an error where the user's values may be the reason."""
        return self._ground.moved(finding, release)

    def _node(self, provider: Provider) -> tuple[str, str]:
        """The node image and the helper's; empty where the nodes are a user's. Raises UnavailableError."""
        if provider.guest:
            return "", ""
        node = self._resources.node_images.image(self._environment)
        helper = self._resources.node_images.helper(self._environment)
        self._record.images.append(node)
        self._locker.learn(node=node)
        return node.reference, helper

    def _as_known(self, found: Finding, releases: Mapping[str, ReleaseOnPath]) -> Finding:
        """The finding about the install, broken as known where the catalogue and the values foretell it."""
        cell = self._attempts[0].cell
        known = conditions.in_force(
            cell.path.known,
            releases,
            self._asked.values,
            helm=self._host.tools["helm"].path,
            prepared=bool(self._ground.applied),
        )
        mine = [it for it in known if it.check == INSTALLED]
        of_release = expectation.judge([found], mine, cell.scenario.base)
        return others.judged(of_release, promised=self._environment.restricted)[0]

    def _early(self, first: ReleaseOnPath) -> EarlyInstall | None:
        """The install while the cluster is being made, where nobody can tell the difference.

        Not where cells install the release themselves, nor where they count what their own registries are asked for;
        nor with several nodes, since pods must not start on the first before all of them are Ready; nor where pods run
        before the operator's, which must be there first.
        """
        needs = self._attempts[0].cell.scenario.needs
        if needs.installed != "first-release" or self._record.registries or self._nodes > 1:
            return None
        if not path_names.by_helm(self._attempts[0].cell.path.way()):
            # What another way has begun could not be taken back.
            return None
        if any(it.kind in applying.WORKLOADS for it in self._ground.before.documents):
            return None

        def begin(cluster: Cluster, failed: threading.Event) -> BegunInstall:
            return self._begin(cluster, first, failed)

        helm = self._host.tools["helm"].path
        return EarlyInstall(begin, helm=helm, say=self._say_here, home=self._asked.home)

    @property
    def _nodes(self) -> int:
        asked = (attempt.cell.scenario.needs.nodes for attempt in self._attempts)
        return max(len(self._ground.fit.nodes), self._environment.nodes, *asked)

    def _create(
        self,
        provider: Provider,
        node: str,
        helper: str,
        releases: Mapping[str, ReleaseOnPath],
        early: EarlyInstall | None,
    ) -> BareCluster | Finding:
        """The cluster, without anything on it."""
        self._announce(provider, node)
        own = self._record.registries
        spec = ClusterSpec(
            name=self._cluster_name,
            run_id=self._resources.run_id,
            environment=self._environment,
            node_image=node,
            nodes=self._nodes,
            network=self._resources.network,
            mirrors=self._mirrors(),
            # What own registries are asked for is the cells' business.
            preload=() if own or provider.guest else self._preload(),
            # A registry of the cells' own is asked by every node, with the logins that they try.
            image_cache={} if own or provider.guest else self._resources.node_cache(),
            await_image=self._await_image,
            helper_image=helper,
            folder=self._resources.scratch(self._cluster_name),
            timeout=self._asked.settings.cluster_timeout,
            early=early,
        )
        try:
            asked = time.monotonic()
            with self._creations.some(waits=lambda: self._say_here(f"waits until {CREATIONS} others are created")):
                self._record.waited += time.monotonic() - asked
                cluster = provider.create(spec)
        except ClusterError as error:
            diagnosis = infrastructure.of_creation(self.host_now(), str(error))
            self._record.diagnoses = {attempt.name: diagnosis for attempt in self._attempts}
            return errored("cluster-created", str(error))
        if not provider.guest:
            self._resources.learn_volumes(cluster.nodes)
        self._record.phases.update({f"cluster-{phase}": seconds for phase, seconds in cluster.seconds.items()})
        return self._as_made(cluster, provider, releases)

    def _taken(self, spare: Spare, provider: Provider, releases: Mapping[str, ReleaseOnPath]) -> BareCluster:
        """The cluster of the path before."""
        self._say_here(f"takes over cluster {spare.cluster.name}, which was clean after {spare.seconds:.0f} s")
        self._record.phases["cluster-clean"] = spare.seconds
        return self._as_made(spare.cluster, provider, releases)

    def _as_made(self, cluster: Cluster, provider: Provider, releases: Mapping[str, ReleaseOnPath]) -> BareCluster:
        return BareCluster(
            cluster=cluster,
            provider=provider,
            path=self._attempts[0].cell.path,
            releases=releases,
            job_namespaces=tuple(plan.job_namespaces(self._attempts)),
            applications=plan.watched(self._attempts),
        )

    def _await_image(self, image: str) -> None:
        if self._resources.supply is not None:
            self._resources.supply.wait(image)

    def _not_fetched(self) -> Finding | None:
        """Why an image of the cells did not come to this machine, which nodes would try again, each for itself."""
        supply = self._resources.supply
        if supply is None or self._record.registries:
            return None
        return next((it for attempt in self._attempts if (it := supply.missing(attempt.cell)) is not None), None)

    def _announce(self, provider: Provider, node: str) -> None:
        """Say what is about to be made, and have it in the ledger."""
        ledger, guest = self._resources.ledger, self._resources.guest
        if provider.guest and guest is not None:
            self._say_here(f"in the cluster of context {guest.context}")
            if ledger is not None:
                ledger.planned("stay", self._cluster_name, context=guest.context, server=guest.server)
            return
        self._say_here(f"creating cluster {self._cluster_name} from {node}")
        if ledger is not None:
            ledger.planned("cluster", self._cluster_name)

    def _mirrors(self) -> MirrorMap:
        """What the nodes are told: the source's mirrors, or the registries that the cells bring along."""
        own, mirrors = self._record.registries, self._resources.source.mirrors
        return own.mirrors(mirrors) if own else mirrors

    def _begin_argocd(self, cluster: Cluster, image: ArgoCdImage, releases: Mapping[str, ReleaseOnPath]) -> None:
        """Have Argo CD beside the cluster, with the charts of the path. Raises ApiError, WaitTimeout, EngineError."""
        began = time.monotonic()
        self._record.argocd = argo.begin(cluster, image, [it.chart for it in releases.values()], self._resources)
        self._record.phases["argocd"] = time.monotonic() - began
        self._record.told = (*self._record.told, f"Argo CD {image.version} deploys the release")

    def _bare(self, made: BareCluster) -> BareCluster:
        """The cluster for cells that install the release themselves."""
        self._say_here("cluster is ready")
        self._ground.provide(made.cluster, made.job_namespaces)
        return made

    def _install(self, made: BareCluster, first: ReleaseOnPath, early: EarlyInstall | None) -> PreparedCluster:
        """The cluster with the first release of the path. Raises as harness.releases.install does, and ApiError."""
        release = first.release
        begun = early.take(made.cluster) if early else None
        if begun is None:
            self._say_here(f"cluster is ready, installing release {release.name}")
            begun = self._begin(made.cluster, first)
        else:
            self._say_here(f"cluster is ready, with release {release.name} being rolled out")
        installed = finish(made.cluster, begun, Deadline(seconds=INSTALL_SECONDS))
        state = shared.look(made.cluster, self._asked.home.namespace, also=self._ground.applied)
        self._record.phases.update({f"install-{phase}": seconds for phase, seconds in installed.seconds.items()})
        self._say_here(f"release {release.name} is ready, running {counted(len(self._attempts), 'cell')}")
        return PreparedCluster(**vars(made), installed=installed, before=state)

    def _begin(self, cluster: Cluster, first: ReleaseOnPath, interrupt: threading.Event | None = None) -> BegunInstall:
        """Have Helm install the first release. Raises as harness.releases.install does, also UnavailableError."""
        release, namespaces = first.release, plan.job_namespaces(self._attempts)
        if cluster.marks:
            with cluster.api_client() as api:
                crds.bring_own(api, first.chart, cluster.marks, release=first.release.name)
        self._ground.provide(cluster, namespaces)
        if release.relocated:
            login = self._resources.login(release.registry, release.repository)
            relocate.prepare(cluster, release, self._asked.home.namespace, login=login)
        return begin(
            cluster,
            release,
            chart=first.chart,
            programs=self.programs(),
            job_namespaces=namespaces,
            values=first.with_users(self._asked.values),
            deadline=Deadline(seconds=INSTALL_SECONDS),
            name=self._asked.home.name,
            namespace=self._asked.home.namespace,
            way=self._attempts[0].cell.path.way(),
            kustomization=first.kustomization,
            exact=self._asked.options.exact_values,
            interrupt=interrupt,
        )

    def _say_here(self, text: str) -> None:
        self._say(f"{self._name}: {text}")

    def host_now(self) -> HostSeen:
        """The room that the host has at this moment, and its load since the cluster was begun, and whose that was."""
        seen = pressure.look([self._asked.settings.cache_dir, self._host.engine_data], self._began)
        return replace(seen, own=self._resources.own_load(self._began.at)) if seen.load > _MUCH_LOAD else seen

    def _preload(self) -> tuple[str, ...]:
        """The images that nodes pull while they start, without those that they have."""
        first = self._asked.catalogue.release(self._attempts[0].cell.path.releases[0])
        wanted = (first.image, *self._ground.before.images, *plan.images(self._attempts))
        held = self._resources.node_images.held(self._environment)
        return tuple(image for image in dict.fromkeys(wanted) if image not in held)
