# SPDX-License-Identifier: Apache-2.0
"""What a way of installing must be able to do, and what it is given for that."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from harness.errors import ToolError
from harness.kube.cluster import Cluster
from harness.matrix.model import ValuesMode, WayName
from harness.matrix.release import Release
from harness.releases.charts import Chart


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The programs that ways call. `helm` is that of the usual way; `others` has what only some ways need, by name."""

    helm: Path
    kubectl: Path
    others: Mapping[str, Path] = field(default_factory=dict)

    @classmethod
    def of(cls, tools: Mapping[str, Path], minor: str) -> Programs:
        """Those among a run's programs by name, with kubectl for this Kubernetes minor."""
        return cls(helm=tools["helm"], kubectl=tools[f"kubectl-{minor}"], others=tools)

    def other(self, name: str) -> Path:
        """One that only some ways need. Raises ToolError where the run did not ask for it."""
        try:
            return self.others[name]
        except KeyError:
            raise ToolError(f"{name} was not resolved for this run", "name the way in the path") from None


@dataclass(frozen=True, kw_only=True)
class On:
    """Where a way acts, and with what."""

    cluster: Cluster
    programs: Programs


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a release is put there: what becomes of the previous values, further options of the way's program, and the
    way that has made what is there, where this is another one.
    """

    values: ValuesMode = "default"
    flags: tuple[str, ...] = ()
    over: WayName | None = None

    @property
    def over_helm(self) -> bool:
        """Whether Helm has made what is there."""
        return self.over is not None and self.over.startswith("helm")


USUALLY = Options()


@dataclass(frozen=True, kw_only=True)
class Put:
    """What came of it: the number of the revision, and what the way says of it.

    `objects` are those that it put there, where it keeps no record of them in the cluster. `account` is the one that it
    made for applications, where no label tells it. `trouble` is why it did not get to its end although the Deployments
    of the new release are there; else empty.
    """

    revision: int
    said: str = ""
    objects: tuple[Mapping[str, Any], ...] = ()
    account: str = ""
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class InstalledRelease:
    """A release on a cluster, or one that is to be there. `values` is what its way was given; `seconds` holds
    phase → seconds.

    `way` put it there, as its `revision`, which is 0 before the first; `objects` are those that only it knows.
    `kustomization` is the release's config/, where a way asks for it. `account` is the service account of its job
    namespaces under which applications run, `job_namespaces` are the run's.
    """

    release: Release
    chart: Chart
    name: str
    namespace: str
    job_namespaces: tuple[str, ...]
    revision: int
    values: Mapping[str, Any]
    seconds: Mapping[str, float]
    account: str = ""
    way: WayName = "helm"
    kustomization: Path | None = None
    objects: tuple[Mapping[str, Any], ...] = ()

    @property
    def first(self) -> bool:
        """Whether nothing of this release is there before it."""
        return self.revision <= 1

    def after(self, put: Put) -> InstalledRelease:
        """The same as what came of putting it there."""
        return replace(self, revision=put.revision, objects=put.objects, account=put.account or self.account)


class Way(Protocol):
    """One way of installing. Each call acts as a user of it does, waits for hooks and for nothing else, and ends early
    when `stop` is set.

    They raise ReleaseError (HelmError) with the words of the program, ClusterError when the API server is away,
    CommandTimeout, and ToolError when a program is unusable.
    """

    name: WayName
    tools: Sequence[str]
    """What it calls besides the usual Helm and kubectl, by the names of clusters/tools.toml."""
    brings_crds: bool
    """Whether the CRDs of the release come with it at an upgrade, too."""

    def put(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """Install the release, or upgrade to it what this way has put there. `timeout` is in seconds."""

    def back(
        self, on: On, it: InstalledRelease, *, timeout: float, stop: threading.Event, options: Options = USUALLY
    ) -> Put:
        """Go back to a release that was there, as its revision."""

    def remove(self, on: On, it: InstalledRelease, *, timeout: float) -> None:
        """Remove it, except for what this way leaves behind on purpose. What is not there is no error."""

    def objects(self, on: On, it: InstalledRelease) -> Sequence[Mapping[str, Any]]:
        """The objects that the way keeps for this release, without hooks. What it must be asked for may fail."""

    def told_put(self, it: InstalledRelease, options: Options = USUALLY) -> str:
        """The command of `put`, as a user types it."""

    def told_back(self, it: InstalledRelease) -> str:
        """The command of `back`, as a user types it."""
