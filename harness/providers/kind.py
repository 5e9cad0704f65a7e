# SPDX-License-Identifier: Apache-2.0
"""kind clusters by pytest-kind's KindCluster, with verified binaries, the run's network and timeouts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

import yaml

from harness import process
from harness.errors import ClusterError
from harness.images.mirrors import CERTS_D
from harness.kube.cluster import Cluster
from harness.providers import addons, containers, creation, kind_config, proxies
from harness.providers.base import ClusterSpec, ProviderTools

# By its path, not as a module: importing the harness would cost it a second.
_CREATE = Path(__file__).with_name("kind_cluster.py")
_ADMIN = "/etc/kubernetes/admin.conf"
# In microseconds since the machine was booted, and in seconds.
_SINCE = "systemctl show kubelet --property=ExecMainStartTimestampMonotonic --value; cut -d' ' -f1 /proc/uptime"


class Kind:
    """The kind provider."""

    name: ClassVar[str] = "kind"
    guest: ClassVar[bool] = False
    cluster_label: ClassVar[str] = "io.x-k8s.kind.cluster"
    context_prefix: ClassVar[str] = "kind-"
    helper_repository: ClassVar[str] = ""
    hosts_folder: ClassVar[str] = CERTS_D

    def __init__(self, tools: ProviderTools) -> None:
        self._tools = tools

    def create(self, spec: ClusterSpec) -> Cluster:
        """Create a cluster. Raises ClusterError with the end of the node's log."""
        spec.folder.mkdir(parents=True, exist_ok=True)
        given = proxies.of_nodes(spec)
        config = self._write_config(spec, given)
        kubeconfig = spec.folder / "kubeconfig"

        def make() -> None:
            process.call(
                [
                    *(sys.executable, "-P", _CREATE, spec.name, kubeconfig, spec.node_image),
                    *(self._retaining_kind(spec), self._tools.path("kubectl"), config),
                ],
                cwd=spec.folder,
                env={
                    "KIND_EXPERIMENTAL_DOCKER_NETWORK": spec.network,
                    "KUBECONFIG": str(kubeconfig),
                    **proxies.for_program(given),
                },
                timeout=spec.timeout,
                log_file=spec.folder / "create.log",
            )

        return creation.create(
            spec,
            creation.Ways(
                provider=self.name,
                first_node=f"{spec.name}-control-plane",
                admin=_ADMIN,
                kubectl=("kubectl", "--kubeconfig", _ADMIN),
                make=make,
                nodes=lambda: self._nodes(spec.name),
                save_logs=lambda folder: self._save_logs(spec.name, folder),
                first=addons.expect_kube_proxy,
                adjust=addons.give_kube_proxy_a_share,
                early_names=addons.start_names_on_a_cordoned_node,
                kubelet_age=partial(_kubelet_age, f"{spec.name}-control-plane"),
            ),
        )

    def delete(self, cluster_name: str) -> None:
        """Remove the nodes with their volumes, and verify that none is left."""
        process.call(
            [self._tools.path("kind"), "delete", "cluster", "--name", cluster_name],
            timeout=120,
            env={"KUBECONFIG": "/dev/null"},
        )
        containers.remove(self._nodes(cluster_name))

    def node_exec(
        self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0
    ) -> process.Completed:
        """Run a command in a node."""
        return containers.execute(node, argv, timeout=timeout)

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        """`kind export logs` or, if that fails, what the engine still has."""
        done = process.call(
            [self._tools.path("kind"), "export", "logs", folder, "--name", cluster.name], timeout=120, check=False
        )
        if done.returncode != 0:
            self._save_logs(cluster.name, folder)

    def shell_hint(self, cluster: Cluster) -> str:
        """The command for an interactive shell on the node."""
        return f"docker exec -it {cluster.nodes[0]} bash"

    def _write_config(self, spec: ClusterSpec, given: Mapping[str, str] = MappingProxyType({})) -> Path:
        path = spec.folder / "kind.yaml"
        path.write_text(yaml.safe_dump(kind_config.of(spec, given), sort_keys=False))
        return path

    def _retaining_kind(self, spec: ClusterSpec) -> Path:
        """A wrapper of kind that keeps the node of a failed creation for its logs: pytest-kind cannot pass --retain."""
        kind = shlex.quote(str(self._tools.path("kind")))
        script = spec.folder / "kind"
        script.write_text(
            f'#!/bin/sh\nif [ "$1 $2" = "create cluster" ]; then exec {kind} "$@" --retain; fi\nexec {kind} "$@"\n'
        )
        script.chmod(0o755)
        return script

    def _nodes(self, cluster_name: str) -> tuple[str, ...]:
        return containers.labelled(self.cluster_label, cluster_name)

    def _save_logs(self, cluster_name: str, folder: Path) -> None:
        for node in self._nodes(cluster_name):
            containers.save(node, folder / node / "console.log")
            for unit in ("kubelet", "containerd"):
                containers.save(node, folder / node / f"{unit}.log", ["journalctl", "--no-pager", "-u", unit])


def _kubelet_age(node: str) -> float:
    """For how many seconds the kubelet of a node has been running. Raises HarnessError."""
    said = containers.execute(node, ["sh", "-c", _SINCE]).stdout.split()
    try:
        started, now = (float(it) for it in said)
    except ValueError:
        raise ClusterError(f"{node} does not say since when its kubelet runs: {' '.join(said) or 'nothing'}") from None
    return now - started / 1e6
