# SPDX-License-Identifier: Apache-2.0
"""What a scenario about registries is given, and the release as it stands on the cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.apps.context import ScenarioContext
from harness.errors import HarnessError
from harness.releases.helm import Helm
from harness.releases.install import install, uninstall
from harness.releases.ways.protocol import InstalledRelease

if TYPE_CHECKING:
    from harness.machine import HostSeen
    from harness.matrix.model import Path as InstallPath
    from harness.providers.base import Provider
    from harness.releases.on_path import ReleaseOnPath
    from harness.releases.ways.protocol import Programs
    from harness.stories.registries.own_registries import ClusterRegistries
    from harness.verdicts import Finding


@dataclass
class CurrentRelease:
    """The release on a cluster whose cells install it themselves, one after the other; None when there is none.

    `findings` are what was found when it was installed: whoever comes later tells it, too.
    """

    installed: InstalledRelease | None = None
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class PullContext(ScenarioContext):
    """One cell's surroundings, with the registries that its cluster pulls from.

    `values` are the user's; `job_namespaces` are those of all cells on the cluster; `host_now` tells the room that the
    host has; `gather` puts the evidence of now into a folder; `reports` is what the run writes into.
    """

    provider: Provider
    registries: ClusterRegistries
    current: CurrentRelease
    path: InstallPath
    releases: Mapping[str, ReleaseOnPath]
    programs: Programs
    values: Sequence[Mapping[str, Any]]
    job_namespaces: tuple[str, ...]
    release_name: str
    host_now: Callable[[], HostSeen]
    gather: Callable[[Path], object]
    reports: Path
    say: Callable[[str], None] = lambda text: None

    @property
    def installed(self) -> InstalledRelease:
        """The release on the cluster. Raises HarnessError when there is none."""
        if self.current.installed is None:
            raise HarnessError("this cell needs the release, which is not installed")
        return self.current.installed

    @property
    def rendering(self) -> samples.RenderedFor:
        """What samples are rendered for, under the account that the release on the cluster made."""
        return samples.RenderedFor(
            namespace=self.namespace,
            helm=self.helm,
            folder=self.folder,
            spark_images=self.spark_images,
            service_account=self.current.installed.account if self.current.installed else "",
            restricted=self.restricted,
        )

    @property
    def binary(self) -> Helm:
        """Helm on this cluster."""
        return Helm(self.helm, self.cluster.kubeconfig)

    def install(self, *values: Mapping[str, Any], timeout: float = 180.0) -> InstalledRelease:
        """Install the release with these values, before the user's. Raises as harness.releases.install does."""
        self.current.installed = install(
            self.cluster,
            self.release,
            chart=self.chart,
            programs=self.programs,
            job_namespaces=self.job_namespaces,
            values=(*values, *self.values),
            timeout=timeout,
            name=self.release_name,
            namespace=self.operator_namespace,
        )
        return self.current.installed

    def uninstall(self) -> None:
        """Remove the release, if it is there. Raises HelmError."""
        if self.current.installed is not None:
            uninstall(self.cluster, self.current.installed, programs=self.programs)
            self.current.installed = None

    def collect(self) -> Path:
        """All the evidence there is at the moment, as a cell that fails has it, in a folder of the cell's own."""
        folder = self.folder / "evidence"
        self.gather(folder)
        return folder
