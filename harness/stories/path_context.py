# SPDX-License-Identifier: Apache-2.0
"""What a cell is given that changes the operator of its own cluster, and how the path asks for each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.apps.samples import Manifest
from harness.matrix.model import CrdMode, Move, ValuesMode
from harness.matrix.model import Path as UpgradePath
from harness.releases import change, rollout, ways
from harness.releases.change import Change, Wanted
from harness.releases.helm import Helm
from harness.releases.ways.protocol import InstalledRelease, Programs

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.kube.cluster import Cluster
    from harness.kube.models import Pod
    from harness.machine import HostSeen
    from harness.providers.base import Provider
    from harness.releases.on_path import ReleaseOnPath
    from harness.stories.cluster import PreparedCluster
    from harness.stories.protocol import CellRun, RunContext


@dataclass(frozen=True, kw_only=True)
class PathContext:
    """A cell's surroundings. `installed` is the path's first release, `releases` are all of them by name.

    `namespace` exists and is a job namespace; `values` are the user's; `resolve` gives the digests that the source's
    registry serves; `host_now` tells the room that the host has.
    """

    cluster: Cluster
    provider: Provider
    path: UpgradePath
    releases: Mapping[str, ReleaseOnPath]
    installed: InstalledRelease
    programs: Programs
    namespace: str
    folder: Path
    spark_images: Mapping[str, str]
    values: Sequence[Mapping[str, Any]]
    resolve: Resolve
    host_now: Callable[[], HostSeen]
    seed: int = 0
    say: Callable[[str], None] = lambda text: None

    @property
    def rendering(self) -> samples.RenderedFor:
        """What samples are rendered for."""
        return samples.RenderedFor(
            namespace=self.namespace,
            helm=self.programs.helm,
            folder=self.folder,
            spark_images=self.spark_images,
            service_account=self.installed.account,
            restricted=self.cluster.environment.restricted,
        )

    def sample(self, name: str) -> list[Manifest]:
        """A sample as it is to run here."""
        return samples.render(self.rendering, name)

    @property
    def target(self) -> ReleaseOnPath:
        """The release that the path leads to."""
        return self.releases[self.path.moves[-1].target]

    @property
    def helm(self) -> Helm:
        """The Helm of the last move, on this cluster. Raises UsageError where that is not made by Helm."""
        return Helm(ways.helm(self.path.moves[-1].way, self.programs), self.cluster.kubeconfig)

    def wanted(
        self,
        *extra: Mapping[str, Any],
        move: Move | None = None,
        mode: ValuesMode | None = None,
        crds: CrdMode | None = None,
        flags: Sequence[str] = (),
    ) -> Wanted:
        """An upgrade as the path asks for it, the last one unless another is given, with `extra` values."""
        move = move or self.path.moves[-1]
        to = self.releases[move.target]
        return Wanted(
            release=to.release,
            chart=to.chart,
            crds=crds or self.path.crds,
            values_mode=mode or self.path.values,
            values=(*to.with_users(self.values), *extra),
            way=move.way,
            kustomization=to.kustomization,
            flags=tuple(flags),
        )

    def upgrade(
        self,
        here: InstalledRelease,
        *extra: Mapping[str, Any],
        mode: ValuesMode | None = None,
        crds: CrdMode | None = None,
        flags: Sequence[str] = (),
    ) -> Change:
        """The upgrade to the target and the wait for its rollout. Raises as harness.releases.change.upgrade does."""
        wanted = self.wanted(*extra, mode=mode, crds=crds, flags=flags)
        return change.upgrade(self.cluster, here, wanted, self.programs)

    def change_crds(self) -> None:
        """What the path's CRD mode asks for before Helm, for who then calls Helm by itself. Raises CommandError."""
        change.change_crds(self.cluster, self.target.chart, self.path.crds, self.programs)

    def pods(self) -> list[Pod]:
        """The pods of the operator's namespace. Raises ApiError."""
        with self.cluster.api_client() as api:
            return rollout.pods_of(api, self.installed.namespace)

    def statuses(self) -> dict[int, str]:
        """What `helm history` says of each revision. Raises HelmError."""
        return {it.number: it.status for it in self.helm.history(self.installed.name, self.installed.namespace)}


def path_context(run: RunContext, on: PreparedCluster, it: CellRun) -> PathContext:
    """The surroundings of a cell on its cluster."""
    name = it.cell.scenario.name
    return PathContext(
        cluster=on.cluster,
        provider=on.provider,
        path=it.cell.path,
        releases=on.releases,
        installed=on.installed,
        programs=run.programs(it.cell.environment),
        namespace=it.cell.scenario.namespace,
        folder=run.resources.scratch(f"{on.cluster.name}/{name}"),
        spark_images=samples.chart_values().spark.images,
        values=run.values,
        resolve=run.resources.source.digests,
        host_now=run.host_now,
        seed=it.seed,
        say=lambda text: run.say(f"{name}: {text}"),
    )
