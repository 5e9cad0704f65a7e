# SPDX-License-Identifier: Apache-2.0
"""k3d clusters: one server without a load balancer, on the run's network, with a kubeconfig of its own.

The node is k3s, or with the foundry upstream Kubernetes in a k3s-shaped node: both get the same arguments.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from harness import process
from harness.evidence.installation import labels
from harness.images.credentials import write_secret
from harness.images.mirrors import K3S_FOLDER, write_registries_yaml
from harness.kube.cluster import Cluster
from harness.providers import containers, creation, k3d_logs, proxies
from harness.providers.base import ClusterSpec, ProviderTools

_CALL_SECONDS = 60.0
_DELETE_SECONDS = 120.0
# They take time and memory, and no cell looks at them.
_LEFT_OUT = "traefik,metrics-server,servicelb"
# Where k3d has k3s write it (K3S_KUBECONFIG_OUTPUT).
_ADMIN = "/output/kubeconfig.yaml"


_SERVERS = ("--disable=", "--kube-apiserver-arg=")
"""How arguments begin that are the server's alone."""


class K3d:
    """The k3d provider."""

    name: ClassVar[str] = "k3d"
    guest: ClassVar[bool] = False
    cluster_label: ClassVar[str] = "k3d.cluster"
    context_prefix: ClassVar[str] = "k3d-"
    helper_repository: ClassVar[str] = "ghcr.io/k3d-io/k3d-tools"
    hosts_folder: ClassVar[str] = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"
    """Where k3s writes the hosts.toml files from registries.yaml (docs.k3s.io, private registry configuration)."""

    def __init__(self, tools: ProviderTools) -> None:
        self._tools = tools

    def create(self, spec: ClusterSpec) -> Cluster:
        """Create a cluster. Raises ClusterError with the end of the node's log."""
        spec.folder.mkdir(parents=True, exist_ok=True)
        return creation.create(
            spec,
            creation.Ways(
                provider=self.name,
                first_node=f"k3d-{spec.name}-server-0",
                admin=_ADMIN,
                kubectl=("kubectl",),
                make=partial(self._make, spec),
                nodes=lambda: self._nodes(spec.name),
                save_logs=lambda folder: k3d_logs.save(self._nodes(spec.name), folder),
            ),
        )

    def delete(self, cluster_name: str) -> None:
        """Remove nodes, helpers and volumes, and verify that none is left."""
        with tempfile.TemporaryDirectory(prefix="soh-k3d-") as folder:
            # Whatever k3d leaves, or fails over, is looked for and removed below; that must succeed.
            self._k3d("cluster", "delete", cluster_name, folder=Path(folder), timeout=_DELETE_SECONDS, check=False)
        containers.remove(self._nodes(cluster_name))
        for volume in self._volumes(cluster_name):
            process.call(["docker", "volume", "rm", volume], timeout=containers.ENGINE_SECONDS)

    def node_exec(
        self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0
    ) -> process.Completed:
        """Run a command in a node."""
        return containers.execute(node, argv, timeout=timeout)

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        """Consoles, logs of processes and pods, and details of the nodes; k3d itself has no export."""
        k3d_logs.export(self._nodes(cluster.name), folder, k3d=self._tools.path("k3d"))

    def shell_hint(self, cluster: Cluster) -> str:
        """The command for an interactive shell on the node. k3s has no bash."""
        return f"docker exec -it {cluster.nodes[0]} sh"

    def _make(self, spec: ClusterSpec) -> None:
        """Have k3d create the cluster, and write its kubeconfig. Raises CommandError."""
        log_file = spec.folder / "create.log"
        self._k3d(
            *words(spec, self._registries(spec)),
            folder=spec.folder,
            timeout=spec.timeout,
            log_file=log_file,
            environment={"K3D_IMAGE_TOOLS": spec.helper_image} if spec.helper_image else {},
        )
        shown = self._k3d("kubeconfig", "get", spec.name, folder=spec.folder, timeout=_CALL_SECONDS)
        write_secret(spec.folder / "kubeconfig", shown.stdout)

    def _registries(self, spec: ClusterSpec) -> Path | None:
        if not spec.mirrors and not spec.image_cache:
            return None
        return write_registries_yaml(spec.mirrors, spec.folder / "registries", first=spec.image_cache)

    def _nodes(self, cluster_name: str) -> tuple[str, ...]:
        """The cluster's containers, the server first."""
        found = containers.labelled(self.cluster_label, cluster_name)
        return tuple(sorted(found, key=lambda name: ("-server-" not in name, name)))

    def _volumes(self, cluster_name: str) -> tuple[str, ...]:
        argv = ["docker", "volume", "ls", "--quiet", "--filter", f"label={self.cluster_label}={cluster_name}"]
        return tuple(process.call(argv, timeout=containers.ENGINE_SECONDS).stdout.split())

    def _k3d(
        self,
        *arguments: str | Path,
        folder: Path,
        timeout: float,
        log_file: Path | None = None,
        environment: dict[str, str] | None = None,
        check: bool = True,
    ) -> process.Completed:
        """Call k3d isolated from the user's configuration: `cluster delete` rewrites the kubeconfig of KUBECONFIG, and
        a folder for its own configuration is created in XDG_CONFIG_HOME.
        """
        own = {"KUBECONFIG": str(folder / "no-kubeconfig"), "XDG_CONFIG_HOME": str(folder / "k3d-config")}
        return process.call(
            [self._tools.path("k3d"), *arguments],
            cwd=folder,
            env={**own, **(environment or {})},
            timeout=timeout,
            log_file=log_file,
            check=check,
        )


def words(spec: ClusterSpec, registries: Path | None) -> list[str | Path]:
    """The arguments of `k3d cluster create`."""
    every = "@server:*;agent:*" if spec.nodes > 1 else "@server:*"
    asked: list[str | Path] = [
        *("cluster", "create", spec.name, "--image", spec.node_image, "--network", spec.network),
        # The node of a failed creation is wanted for its logs, and nobody balances the load of one server.
        *("--no-lb", "--no-rollback", "--api-port", "127.0.0.1:random"),
        *("--kubeconfig-update-default=false", "--kubeconfig-switch-context=false"),
        *("--timeout", f"{spec.timeout:.0f}s"),
    ]
    for name, value in labels(spec.run_id).items():
        # k3d takes what follows an @ for the nodes that are meant.
        asked += ["--runtime-label", f"{name}={value.split('@')[0]}{every}"]
    if spec.nodes > 1:
        asked += ["--agents", str(spec.nodes - 1)]
    if registries:
        asked += ["--registry-config", registries]
        # k3d passes on that file alone, which names these.
        for ca in sorted(registries.parent.glob("*.pem")):
            asked += ["--volume", f"{ca.resolve()}:{K3S_FOLDER}/{ca.name}{every}"]
    for name, value in proxies.of_nodes(spec).items():
        asked += ["--env", f"{name}={value}{every}"]
    for argument in k3s_arguments(spec):
        # What is left out is the server's to know; an agent refuses it.
        asked += ["--k3s-arg", f"{argument}{'@server:*' if argument.startswith(_SERVERS) else every}"]
    return asked


def k3s_arguments(spec: ClusterSpec) -> list[str]:
    """The arguments of k3s, or of its stand-in."""
    minor = int(spec.environment.minor.split(".")[1])
    arguments = [f"--disable={_LEFT_OUT}"]
    if spec.mirrors.closes and minor >= 26:
        # Without it k3s asks the public registry when the mirror has no answer; 1.25 and older have no such option
        # (docs.k3s.io, private registry configuration).
        arguments.append("--disable-default-registry-endpoint")
    if containers.cgroup_v1() and minor >= 35:
        # Kubernetes 1.35 made the kubelet refuse cgroup v1 unless told otherwise (KEP-5573).
        arguments.append("--kubelet-arg=fail-cgroupv1=false")
    switches = {"feature-gates": spec.environment.feature_gates, "runtime-config": spec.environment.api_versions}
    for name, asked in switches.items():
        if asked:
            arguments.append(f"--kube-apiserver-arg={name}={','.join(f'{it}=true' for it in dict.fromkeys(asked))}")
    return arguments
