# SPDX-License-Identifier: Apache-2.0
"""The interface of providers: clusters that can be created, inspected and removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

from harness.errors import ToolError
from harness.images.mirrors import MirrorMap
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.process import Completed
from harness.providers.early import Act


@dataclass(frozen=True, kw_only=True)
class Guest:
    """A run as a guest in a cluster that is somebody else's.

    `context` is what its user calls the cluster of this `server`, and `kubeconfig` has nothing else. `installation` and
    `run_id` are the labels of what is the run's; `uninstall` has Helm uninstall a release, by name and namespace, and
    `clean` is the command that removes what is left.
    """

    context: str
    server: str
    kubeconfig: Path
    environment: Environment
    installation: str
    run_id: str
    uninstall: Callable[[str, str], None]
    clean: str


@dataclass(frozen=True, kw_only=True)
class ProviderTools:
    """The verified tools that providers call, by name; `kubectl` is the one for the environment's version.

    `guest` says which cluster an existing one is.
    """

    programs: Mapping[str, Path]
    guest: Guest | None = None

    def path(self, name: str) -> Path:
        """The program of that name. Raises ToolError when it was not resolved."""
        try:
            return self.programs[name]
        except KeyError:
            raise ToolError(f"{name} was not resolved", "run `nox -s bootstrap` for that environment") from None


@dataclass(frozen=True, kw_only=True)
class ClusterSpec:
    """The specification of a cluster.

    `name` is unique on this host; `node_image` is what the engine can run; `nodes` is how many there are, the first of
    which is the control plane; `network` is the run's network; `image_cache` has the addresses that nodes ask for
    images of a registry host before its mirror or registry; `preload` are images that the first node pulls while its
    control plane starts, each once `await_image` has returned for it; `helper_image` is for containers that the
    provider starts beside its nodes, where that is not left to it; `folder` is where the kubeconfig, the provider's
    configuration and its logs go; `timeout` is in seconds; `early` is what is done on a cluster of one node as soon as
    its API server answers, see harness/providers/early.py.
    """

    name: str
    run_id: str
    environment: Environment
    node_image: str
    network: str
    mirrors: MirrorMap
    folder: Path
    nodes: int = 1
    preload: tuple[str, ...] = ()
    image_cache: Mapping[str, str] = field(default_factory=dict)
    await_image: Callable[[str], None] = lambda image: None
    helper_image: str = ""
    timeout: float = 300.0
    early: Act | None = None


class Provider(Protocol):
    """One way to get a cluster, with everything in which it differs from others.

    `name` is what clusters/environments.toml calls it, and the row of its program in clusters/tools.toml. `guest` says
    that clusters are there already, and somebody else's: nodes are not entered, nothing that is not the run's is
    touched, there is no program, and the attributes that follow are empty. `cluster_label` is the Docker label with the
    cluster's name on everything that it creates: by it, the leak proof finds leftovers. `context_prefix` precedes the
    cluster's name in the contexts that its program writes into kubeconfigs. `helper_repository` is the public image
    that it starts beside its nodes, tagged with the version of its program; empty when it starts none. `hosts_folder`
    is where containerd in its nodes reads hosts.toml.
    """

    name: ClassVar[str]
    guest: ClassVar[bool]
    cluster_label: ClassVar[str]
    context_prefix: ClassVar[str]
    helper_repository: ClassVar[str]
    hosts_folder: ClassVar[str]

    def __init__(self, tools: ProviderTools) -> None:
        """`tools` are the tools that it calls."""

    def create(self, spec: ClusterSpec) -> Cluster:
        """Create a cluster and wait until its node is Ready. Raises ClusterError that includes the node's logs."""

    def delete(self, cluster_name: str) -> None:
        """Remove a cluster and everything that belongs to it; it is not an error if the cluster does not exist."""

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Run a command in a node. Does not raise on a status other than 0."""

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        """Write the nodes' logs into a folder."""

    def shell_hint(self, cluster: Cluster) -> str:
        """The command for an interactive shell on the first node."""
