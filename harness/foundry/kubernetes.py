# SPDX-License-Identifier: Apache-2.0
"""The rows of clusters/nodes/kubernetes.toml: Kubernetes versions of which the foundry can build a node."""

from __future__ import annotations

import functools
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import CatalogueError
from harness.foundry import gobuild
from harness.matrix.model import Environment
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

NODES = PROJECT_ROOT / "clusters" / "nodes"
_FILE = NODES / "kubernetes.toml"

FLANNEL = "flannel"
"""The Go tool module of the network of several nodes."""

CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


class KubernetesRow(BaseModel):
    """One version and the images that `kubeadm config images list` adds. Versions have no `v`.

    `containerd` is the version in the node, where an environment asks for another than the usual one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    etcd: str
    etcd_tag: str
    coredns: str
    pause: str
    containerd: str = ""

    @property
    def title(self) -> str:
        """The version, as the names of build steps have it."""
        return f"{self.version} with containerd {self.containerd}" if self.containerd else self.version

    @property
    def containerd_module(self) -> str:
        """The Go tool module of containerd."""
        return f"containerd-{self.containerd}" if self.containerd else "containerd"

    @property
    def module(self) -> str:
        """The Go tool module of Kubernetes itself."""
        return f"kubernetes-{self.version}"

    @property
    def etcd_module(self) -> str:
        """The Go tool module of etcd."""
        return f"etcd-{self.etcd}"

    @property
    def coredns_module(self) -> str:
        """The Go tool module of CoreDNS."""
        return f"coredns-{self.coredns}"

    def images(self) -> dict[str, str]:
        """Program → image reference: those that kubeadm asks for, and the network of several nodes."""
        registry = "registry.k8s.io"
        return {
            **{program: f"{registry}/{program}:v{self.version}" for program in CONTROL_PLANE},
            "etcd": f"{registry}/etcd:{self.etcd_tag}",
            "coredns": f"{registry}/coredns/coredns:v{self.coredns}",
            "pause": f"{registry}/pause:{self.pause}",
            "flanneld": flannel_image(),
        }


def flannel_image() -> str:
    """The image of flannel in the nodes. Raises CatalogueError."""
    return f"ghcr.io/flannel-io/flannel:v{gobuild.build_file(FLANNEL).version}"


class KubernetesFile(BaseModel):
    """The file. `hold` has the references of the images that a node with images holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hold: tuple[str, ...] = ()
    kubernetes: tuple[KubernetesRow, ...]


def read(file: Path) -> KubernetesFile:
    """A file of versions. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    found = source.validated(KubernetesFile)
    source.require_unique("kubernetes", "version", (it.version for it in found.kubernetes))
    return found


@functools.cache
def rows() -> dict[str, KubernetesRow]:
    """Version → row. Raises CatalogueError when the file is wrong or a module is missing."""
    found = read(_FILE).kubernetes
    for row in found:
        for module in (row.module, row.etcd_module, row.coredns_module):
            gobuild.build_file(module)
    return {row.version: row for row in found}


@functools.cache
def held_images() -> tuple[str, ...]:
    """References of the images that a node with images holds. Raises CatalogueError when the file is wrong."""
    return read(_FILE).hold


def row_of(environment: Environment) -> KubernetesRow:
    """The row of an environment's node. Raises CatalogueError when the foundry has none."""
    return row(environment.kubernetes, environment.containerd)


def row(version: str, containerd: str = "") -> KubernetesRow:
    """The row of a version, with this containerd in it. Raises CatalogueError when the foundry has none."""
    try:
        return rows()[version].model_copy(update={"containerd": containerd})
    except KeyError:
        raise CatalogueError(
            f"the foundry has no node for Kubernetes {version}",
            f"it has {', '.join(rows())}; see clusters/nodes/kubernetes.toml",
        ) from None
