# SPDX-License-Identifier: Apache-2.0
"""The words of the matrix as frozen models: environment, release, path, scenario, cell."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Model(BaseModel):
    """Base of all catalogue rows: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Environment(Model):
    """A provider, a Kubernetes version and its node image.

    `kubernetes` is the full version without `v` (`1.34.4`). `node_image` is the public image, pinned by digest where
    that is known, or empty when upstream offers none; `upstream_kubernetes` is the version in it, where upstream
    published another patch of the same minor, and `distribution` what runs in it (`kubernetes`, `k3s`). `foundry` says
    whether clusters/nodes/ has the rows to build a node, and `foundry_distribution` what runs in that one, where it is
    something else.
    """

    name: str
    provider: Literal["kind", "k3d", "existing"]
    kubernetes: str
    distribution: str = "kubernetes"
    node_image: str = ""
    upstream_kubernetes: str = ""
    foundry: bool = False
    foundry_distribution: str = ""
    tags: tuple[str, ...] = ()

    @property
    def minor(self) -> str:
        """`1.34` of `1.34.4`."""
        return ".".join(self.kubernetes.split(".")[:2])

    def kubernetes_from(self, source: str) -> str:
        """The full version that nodes from this source run (`foundry`, `upstream` or `mirror`)."""
        return self.kubernetes if source == "foundry" else self.upstream_kubernetes or self.kubernetes

    def distribution_from(self, source: str) -> str:
        """What really runs in nodes from this source."""
        return self.foundry_distribution or self.distribution if source == "foundry" else self.distribution

    @property
    def pinned(self) -> bool:
        """Whether the public node image is named by its digest, so that it is the same one each time."""
        return "@sha256:" in self.node_image


class ChartSource(StrEnum):
    """Where a chart can come from."""

    HELM_REPOSITORY = "helm-repository"
    OCI = "oci"
    FILE = "file"
    FOUNDRY = "foundry"


class Release(Model):
    """One Spark Operator version: its chart, its images, the registry that they live in."""

    version: str
    date: str
    registry: str
    repository: str
    hook_registry: str = ""
    hook_repository: str = ""
    spark: str
    crds: tuple[str, ...]
    kubernetes: str = ""
    chart_repository: str = ""
    chart_oci: str = ""
    sources: tuple[Literal["upstream", "foundry"], ...] = ("upstream",)
    known_log_noise: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    notes: str = ""

    @property
    def image(self) -> str:
        """The operator's image by its full name, `ghcr.io/kubeflow/spark-operator/controller:2.5.2`."""
        return f"{self.registry}/{self.repository}:{self.version}"

    @property
    def hook_image(self) -> str:
        """The Helm hook's image by its full name, or empty before 2.3.0."""
        return f"{self.hook_registry}/{self.hook_repository}:{self.version}" if self.hook_repository else ""

    @property
    def crds_link(self) -> str:
        """Where upstream has the CRDs of this release."""
        return f"https://github.com/kubeflow/spark-operator/tree/v{self.version}/charts/spark-operator-chart/crds"


class Path(Model):
    """How a release gets onto the cluster. `releases` are versions in the order in which they are installed."""

    name: str
    kind: Literal["install", "upgrade", "rollback"] = "install"
    releases: tuple[str, ...]


class Scenario(Model):
    """What an operator's user does, and what must hold.

    `timeout` is in seconds; `images` are full references; `needs_crds` are the names of CRDs without which a release
    cannot be asked to do it. `alone` says that it changes what the cells of a cluster share, so that it needs a cluster
    for itself.
    """

    name: str
    summary: str
    timeout: float = 300.0
    images: tuple[str, ...] = ()
    needs_crds: tuple[str, ...] = ("sparkapplications.sparkoperator.k8s.io",)
    alone: bool = False
    tags: tuple[str, ...] = ()


class Cell(Model):
    """Environment × path × scenario."""

    environment: Environment
    path: Path
    scenario: Scenario
    tags: tuple[str, ...] = Field(default=())

    @property
    def id(self) -> str:
        """Stable name, `kind-1.34/install-2.5.2/spark-pi`."""
        return f"{self.environment.name}/{self.path.name}/{self.scenario.name}"

    @property
    def group(self) -> str:
        """Environment and path, `kind-1.34/install-2.5.2`."""
        return f"{self.environment.name}/{self.path.name}"

    @property
    def cluster(self) -> str:
        """Cells with the same value share a cluster and an installed release; one that needs it alone has its own."""
        return self.id if self.scenario.alone else self.group
