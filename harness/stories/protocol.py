# SPDX-License-Identifier: Apache-2.0
"""What a kind of scenarios must say of itself, what a run offers it, and what it is handed to run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from harness.apps.user_folder import Untried
    from harness.apps.users import UserManifests
    from harness.foundry.store import Store
    from harness.images.credentials import Credentials
    from harness.images.mirrors import MirrorMap
    from harness.machine import HostSeen
    from harness.matrix.catalogue import Catalogue
    from harness.matrix.model import Cell, Environment, Scenario
    from harness.matrix.select import Selection
    from harness.registries.sources import Source
    from harness.releases.home import Home
    from harness.releases.on_path import ReleaseOnPath
    from harness.releases.ways.protocol import Programs
    from harness.stories.cluster import BareCluster
    from harness.verdicts import Finding

Cluster_contra = TypeVar("Cluster_contra", bound="BareCluster", contravariant=True)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a user brought along: `apps` are the manifests of --apps, `left_out` what of that folder no run tries."""

    apps: UserManifests = ()
    left_out: tuple[Untried, ...] = ()

    def where_there_is(self, absent: Mapping[str, str], memory_mib: int) -> Given:
        """The same, where some images, by their full references, cannot be had for a reason, and nodes have so much
        memory.
        """
        return replace(self, apps=tuple(it.where_there_is(absent, memory_mib) for it in self.apps))


NOTHING = Given()


class Resources(Protocol):
    """What all clusters of a run share."""

    @property
    def network(self) -> str:
        """The name of the network that the nodes are in."""

    @property
    def source(self) -> Source:
        """Where images come from."""

    def scratch(self, name: str) -> Path:
        """A folder of that name inside the run's temporary folder."""

    def login(self, host: str) -> Credentials | None:
        """What this machine says to a registry host; None when it knows nothing."""


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What a run offers the scenarios on one of its clusters.

    `values` are the user's. `tools` has the programs by name. `storage` holds, one folder a registry host, what the
    foundry built, and `store` everything that it keeps. No more than `app_slots` of the run's scenarios run at a time.
    `place` is to be held by each while it does: it shares the host's processors with all runs, and says for how many
    seconds it was waited for. `host_now` tells the room that the host has. `home` is where the operator is installed.
    `blamed` makes an error of what failed about a release that is to come with the user's values, where these may be
    the reason.
    """

    catalogue: Catalogue
    values: Sequence[Mapping[str, Any]]
    given: Given
    resources: Resources
    tools: Mapping[str, Path]
    storage: Path
    store: Store
    app_slots: int
    place: Callable[[], AbstractContextManager[float]]
    host_now: Callable[[], HostSeen]
    say: Callable[[str], None]
    home: Home
    blamed: Callable[[Finding, ReleaseOnPath], Finding] = lambda finding, _: finding

    @property
    def helm(self) -> Path:
        """The Helm program."""
        return self.tools["helm"]

    def programs(self, environment: Environment) -> Programs:
        """Helm, and kubectl of the environment's version."""
        from harness.releases.ways.protocol import Programs

        return Programs.of(self.tools, environment.minor)


class OwnRegistries(Protocol):
    """Registries that one cluster pulls from in the place of the run's."""

    def mirrors(self, others: MirrorMap) -> MirrorMap:
        """What the nodes are told, with `others` for the hosts that these do not stand for."""

    @property
    def secrets(self) -> Sequence[str]:
        """What must not be in any evidence."""


class CellRun(Protocol):
    """One attempt at a cell, to be run."""

    @property
    def cell(self) -> Cell:
        """The cell."""

    @property
    def seed(self) -> int:
        """From which all that is made up follows."""

    @property
    def reports(self) -> Path:
        """The folder that the run writes its report into."""

    def report(
        self,
        findings: Sequence[Finding],
        phases: Mapping[str, float] | None = None,
        *,
        operator_ran: bool = True,
        waited: float = 0.0,
    ) -> None:
        """Give the cell its findings, once. `phases` are seconds by name, `waited` those for which it had no place.

        `operator_ran` says whether the images of the path's releases were used, so that their digests belong to the
        result. Raises Cancelled when the run is being ended.
        """

    def before_deletion(self, findings: Sequence[Finding]) -> None:
        """Gather the evidence for these findings, before what it is about is deleted."""

    def gather(self, folder: Path) -> None:
        """Put all the evidence of this moment into a folder."""

    def hand_back(self, why: str) -> None:
        """Give no result: the cell needs another cluster."""


class Play(Protocol[Cluster_contra]):
    """The cells of one story on one cluster. `registries` are its own, where it has any."""

    registries: OwnRegistries | None = None

    def run(self, on: Cluster_contra, cells: Sequence[CellRun]) -> None:
        """Run all of them, and report or hand back each. Raises Cancelled; HarnessError when none can be run."""


@runtime_checkable
class Story(Protocol):
    """One kind of scenarios.

    `brings` are kinds of applications on a path that only a user can bring, so that locks of other cells leave them
    out. `breaks_things` says that its cells make registries, nodes or images fail on purpose, so that this is no sign
    of trouble with the host. `enters_nodes` says that they change nodes, or what these pull from: they need a cluster
    that the run has made.
    """

    name: str
    brings: frozenset[str] = frozenset()
    breaks_things: bool = False
    enters_nodes: bool = False

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """All that there are with what the user gave, with their needs. Raises CatalogueError."""

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """What runs these cells, which share a cluster. Entered before that is made, left when it is gone.

        Raises UnavailableError when something that it needs cannot be had.
        """

    def job_namespaces(self, cell: Cell) -> Iterable[str]:
        """The namespaces that must exist, and that the operator must watch, for this cell."""
        return [cell.scenario.namespace]

    def images(self, cell: Cell) -> Iterable[str]:
        """The images that its pods run, besides the operator's. Nodes pull them while the cluster is being made."""
        return cell.scenario.images

    def doubtful_images(self, cell: Cell) -> Iterable[str]:
        """Those of which nobody knows whether they can be had, so that this is looked at before there is a cluster."""
        return ()

    def select(self, selection: Selection, given: Given) -> Selection:
        """The selection, changed where what the user gave stands for one. Raises UsageError for what cannot be."""
        return selection

    def require_use(self, cells: Sequence[Cell], given: Given) -> None:
        """Raise UsageError when the user gave something that none of the chosen cells uses."""
        return

    def brought(self, given: Given) -> UserManifests:
        """What its cells use of what the user gave; it is part of their locks."""
        return ()
