# SPDX-License-Identifier: Apache-2.0
"""kind clusters by pytest-kind's KindCluster, with verified binaries, the run's network and timeouts."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import yaml

from harness import process
from harness.errors import ClusterError
from harness.images.mirrors import CERTS_D, write_hosts
from harness.kube.cluster import OWN_IMAGES, Cluster
from harness.matrix.model import Environment
from harness.providers import addons, containers, creation
from harness.providers.base import ClusterSpec, ProviderTools
from harness.settings import PROJECT_ROOT

_CONFIG = PROJECT_ROOT / "clusters" / "kind" / "cluster.yaml"
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
        config = self._write_config(spec)
        kubeconfig = spec.folder / "kubeconfig"

        def make() -> None:
            process.call(
                [
                    *(sys.executable, "-P", _CREATE, spec.name, kubeconfig, spec.node_image),
                    *(self._retaining_kind(spec), self._tools.path("kubectl"), config),
                ],
                cwd=spec.folder,
                env={"KIND_EXPERIMENTAL_DOCKER_NETWORK": spec.network, "KUBECONFIG": str(kubeconfig)},
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

    def _write_config(self, spec: ClusterSpec) -> Path:
        config = cluster_config(spec.environment)
        config["kubeadmConfigPatches"] = [*config.get("kubeadmConfigPatches", []), *_quick_start()]
        if containers.cgroup_v1() and spec.node_image.startswith(OWN_IMAGES):
            _without_freezing(config)
        if spec.mirrors or spec.image_cache:
            hosts = write_hosts(spec.mirrors, spec.folder / "certs.d", first=spec.image_cache)
            mount = {"hostPath": str(hosts.resolve()), "containerPath": CERTS_D, "readOnly": True}
            config["nodes"][0]["extraMounts"] = [mount]
        config["nodes"] += [{**config["nodes"][0], "role": "worker"} for _ in range(1, spec.nodes)]
        path = spec.folder / "kind.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
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


def cluster_config(environment: Environment) -> dict[str, Any]:
    """What `kind create cluster --config` needs for a cluster of this environment on this host."""
    config: dict[str, Any] = yaml.safe_load(_CONFIG.read_text())
    minor = int(environment.kubernetes.split(".")[1])
    if containers.cgroup_v1() and minor >= 35:
        # Kubernetes 1.35 made the kubelet refuse cgroup v1 unless told otherwise (KEP-5573).
        config["kubeadmConfigPatches"] = [
            "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n"
        ]
    return config


def _kubelet_age(node: str) -> float:
    """For how many seconds the kubelet of a node has been running. Raises HarnessError."""
    said = containers.execute(node, ["sh", "-c", _SINCE]).stdout.split()
    try:
        started, now = (float(it) for it in said)
    except ValueError:
        raise ClusterError(f"{node} does not say since when its kubelet runs: {' '.join(said) or 'nothing'}") from None
    return now - started / 1e6


def _without_freezing(config: dict[str, Any]) -> None:
    """Have containerd and the kubelet manage cgroups themselves (cgroupfs driver).

    With systemd on cgroup v1, runc freezes each new container for a moment, which fails on a busy host
    ("unable to freeze"): the kubelet then has to create it again.
    """
    config["kubeadmConfigPatches"].append(
        "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: cgroupfs\n"
    )
    runc = "plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options"
    config["containerdConfigPatches"] = [f"version = 3\n[{runc}]\nSystemdCgroup = false\n"]


def _quick_start() -> list[str]:
    """Patches that let the single control plane of a throw-away cluster start without delay.

    Leader election is pointless, and some forty controllers request their accounts one after the other at
    20 requests per second, before the first pod of a DaemonSet is created (cmd/kube-controller-manager/app). Nobody
    needs what etcd has written after a crash of this machine. The sixteen key pairs of kubeadm take two seconds of
    processor time with RSA, and none with ECDSA. kind applies the patch whose version it writes itself
    (pkg/cluster/internal/kubeadm/config.go): arguments are a map in v1beta3 and a list in v1beta4, where what kind sets
    must be repeated.
    """
    alone = {"leader-elect": "false"}
    manager = {**alone, "kube-api-qps": "500", "kube-api-burst": "1000", "enable-hostpath-provisioner": "true"}

    def patch(version: str, form: Callable[[Mapping[str, str]], object], keys: Mapping[str, object]) -> str:
        document = {
            "kind": "ClusterConfiguration",
            "apiVersion": f"kubeadm.k8s.io/{version}",
            "controllerManager": {"extraArgs": form(manager)},
            "scheduler": {"extraArgs": form(alone)},
            "etcd": {"local": {"extraArgs": form({"unsafe-no-fsync": "true"})}},
            **keys,
        }
        return str(yaml.safe_dump(document, sort_keys=False))

    def listed(arguments: Mapping[str, str]) -> object:
        return [{"name": name, "value": value} for name, value in arguments.items()]

    return [
        patch("v1beta3", dict, {"featureGates": {"PublicKeysECDSA": True}}),
        patch("v1beta4", listed, {"encryptionAlgorithm": "ECDSA-P256"}),
    ]
