# SPDX-License-Identifier: Apache-2.0
"""kind clusters by pytest-kind's KindCluster, with verified binaries, a network of the run and bounded time."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client
from urllib3.exceptions import HTTPError

from harness import process, waiting
from harness.errors import ClusterError, CommandError, HarnessError, WaitTimeout
from harness.matrix.model import Environment
from harness.providers.base import Cluster, ClusterSpec, ProviderTools
from harness.registries.mirrors import write_hosts
from harness.settings import PROJECT_ROOT

_CONFIG = PROJECT_ROOT / "clusters" / "kind" / "cluster.yaml"
# By its path, not as a module: importing the harness would cost it a second.
_CREATE = Path(__file__).with_name("kind_cluster.py")
_LABEL_CLUSTER = "io.x-k8s.kind.cluster"
_ENGINE_SECONDS = 60.0
_CERTS_D = "/etc/containerd/certs.d"


class Kind:
    """The kind provider."""

    name = "kind"

    def __init__(self, tools: ProviderTools) -> None:
        self._tools = tools

    def create(self, spec: ClusterSpec) -> Cluster:
        """Make a one-node cluster. Raises ClusterError that holds the end of the node's log."""
        spec.folder.mkdir(parents=True, exist_ok=True)
        config = self._write_config(spec)
        kubeconfig = spec.folder / "kubeconfig"
        log_file = spec.folder / "create.log"
        deadline = waiting.Deadline(seconds=spec.timeout)
        started = time.monotonic()
        preload = _Preload(f"{spec.name}-control-plane", spec.preload, deadline, spec.folder / "preload.log")
        preload.start()
        try:
            process.call(
                [
                    *(sys.executable, "-P", _CREATE, spec.name, kubeconfig, spec.node_image),
                    *(self._retaining_kind(spec), self._tools.kubectl, config),
                ],
                cwd=spec.folder,
                env={"KIND_EXPERIMENTAL_DOCKER_NETWORK": spec.network, "KUBECONFIG": str(kubeconfig)},
                timeout=spec.timeout,
                log_file=log_file,
            )
            created = time.monotonic() - started
            nodes = self._nodes(spec.name)
            cluster = Cluster(name=spec.name, environment=spec.environment, kubeconfig=kubeconfig, nodes=nodes)
            waits = self._wait_ready(cluster, deadline)
        except (CommandError, WaitTimeout, client.ApiException, HTTPError) as error:
            preload.cancel()
            said = error.message if isinstance(error, HarnessError) else f"the API server failed: {error}"
            raise ClusterError(
                f"creating {spec.environment.name} as kind cluster {spec.name} failed: {said}\n"
                f"{self._last_words(spec)}",
                f"see {log_file} and {spec.folder / 'nodes'}",
            ) from error
        except BaseException:
            preload.cancel()
            raise
        waited = time.monotonic()
        preload.join()
        return Cluster(
            name=spec.name,
            environment=spec.environment,
            kubeconfig=kubeconfig,
            nodes=nodes,
            seconds={"create": created, **waits, "preload": time.monotonic() - waited},
        )

    def delete(self, cluster_name: str) -> None:
        """Remove the nodes with their volumes, and check that none is left."""
        process.call(
            [self._tools.kind, "delete", "cluster", "--name", cluster_name],
            timeout=120,
            env={"KUBECONFIG": "/dev/null"},
        )
        left = self._nodes(cluster_name)
        if left:
            process.call(["docker", "rm", "--force", "--volumes", *left], timeout=_ENGINE_SECONDS)

    def node_exec(
        self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0
    ) -> process.Completed:
        """Run a command in a node."""
        return process.call(["docker", "exec", node, *argv], timeout=timeout, check=False)

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        """`kind export logs`, and where that fails what the engine still has."""
        done = process.call(
            [self._tools.kind, "export", "logs", folder, "--name", cluster.name], timeout=120, check=False
        )
        if done.returncode != 0:
            self._save_logs(cluster.name, folder)

    def shell_hint(self, cluster: Cluster) -> str:
        """How a person gets a shell in the node."""
        return f"docker exec -it {cluster.nodes[0]} bash"

    def _write_config(self, spec: ClusterSpec) -> Path:
        config = cluster_config(spec.environment)
        config["kubeadmConfigPatches"] = [*config.get("kubeadmConfigPatches", []), *_quick_start()]
        if spec.mirrors:
            hosts = write_hosts(spec.mirrors, spec.folder / "certs.d")
            mount = {"hostPath": str(hosts.resolve()), "containerPath": _CERTS_D, "readOnly": True}
            config["nodes"][0]["extraMounts"] = [mount]
        path = spec.folder / "kind.yaml"
        path.write_text(yaml.safe_dump(config, sort_keys=False))
        return path

    def _retaining_kind(self, spec: ClusterSpec) -> Path:
        """A kind that keeps the node of a failed creation: its logs are wanted, and pytest-kind cannot ask for it."""
        kind = shlex.quote(str(self._tools.kind))
        script = spec.folder / "kind"
        script.write_text(
            f'#!/bin/sh\nif [ "$1 $2" = "create cluster" ]; then exec {kind} "$@" --retain; fi\nexec {kind} "$@"\n'
        )
        script.chmod(0o755)
        return script

    def _nodes(self, cluster_name: str) -> tuple[str, ...]:
        found = process.call(
            [
                *("docker", "ps", "--all", "--filter", f"label={_LABEL_CLUSTER}={cluster_name}"),
                *("--format", "{{.Names}}"),
            ],
            timeout=_ENGINE_SECONDS,
        )
        return tuple(sorted(found.stdout.split()))

    def _wait_ready(self, cluster: Cluster, deadline: waiting.Deadline) -> dict[str, float]:
        """Wait until the node runs pods and services have their addresses; returns what each took, in seconds."""
        started = time.monotonic()
        core = client.CoreV1Api(cluster.api_client())

        def ready(event: str, node: Any) -> bool | None:
            conditions = {condition.type: condition.status for condition in node.status.conditions or []}
            return True if conditions.get("Ready") == "True" else None

        def describe(node: Any) -> str:
            return "; ".join(
                f"{condition.type}={condition.status} {condition.reason}: {condition.message}"
                for condition in node.status.conditions or []
                if condition.type == "Ready"
            )

        waiting.watch_until(
            core.list_node,
            ready,
            what=f"the node of {cluster.name} to be Ready",
            timeout=max(1.0, deadline.left),
            describe=describe,
        )

        node_ready = time.monotonic() - started

        def account() -> bool:
            core.read_namespaced_service_account("default", "default")
            return True

        waiting.until(
            account,
            what="the default service account",
            timeout=max(1.0, deadline.left),
            interval=0.1,
            ignore=(client.ApiException, HTTPError),
        )
        service = core.read_namespaced_service("kubernetes", "default")
        address = service.spec.cluster_ip if service.spec else ""

        def through_service() -> process.Completed:
            # A node is Ready before kube-proxy has written its rules; until then a service's address leads out of the
            # cluster, and an operator that starts at that moment exits. The certificate shows who answers.
            argv = ["kubectl", "--kubeconfig", "/etc/kubernetes/admin.conf", "--server", f"https://{address}:443"]
            return self.node_exec(cluster, cluster.nodes[0], [*argv, "--request-timeout=3s", "get", "--raw", "/readyz"])

        waiting.until(
            through_service,
            lambda answer: answer.returncode == 0,
            what=f"the API server to answer on its service address {address}",
            timeout=max(1.0, deadline.left),
        )
        return {"node-ready": node_ready, "services-ready": time.monotonic() - started - node_ready}

    def _last_words(self, spec: ClusterSpec) -> str:
        """The ends of the nodes' logs, after all of them were saved."""
        lines: list[str] = []
        try:
            self._save_logs(spec.name, spec.folder / "nodes")
            for node in self._nodes(spec.name):
                said = process.call(["docker", "logs", "--tail", "15", node], timeout=_ENGINE_SECONDS, check=False)
                lines += [f"  {node} | {line}" for line in (said.stdout + said.stderr).splitlines()]
        except HarnessError as lost:
            lines.append(f"  the nodes' logs cannot be read: {lost.message}")
        return "\n".join(lines) if lines else "  no node container was made"

    def _save_logs(self, cluster_name: str, folder: Path) -> None:
        for node in self._nodes(cluster_name):
            target = folder / node
            process.call(
                ["docker", "logs", node], timeout=_ENGINE_SECONDS, check=False, log_file=target / "console.log"
            )
            for unit in ("kubelet", "containerd"):
                process.call(
                    ["docker", "exec", node, "journalctl", "--no-pager", "-u", unit],
                    timeout=_ENGINE_SECONDS,
                    check=False,
                    log_file=target / f"{unit}.log",
                )


class _Preload(threading.Thread):
    """Pulls images in a node while kubeadm works; a pull that fails is left to the kubelet, which reports it."""

    def __init__(self, node: str, images: Sequence[str], deadline: waiting.Deadline, log_file: Path) -> None:
        super().__init__(name=f"preload-{node}", daemon=True)
        self._node = node
        self._images = images
        self._deadline = deadline
        self._log_file = log_file
        self._stopped = threading.Event()

    def cancel(self) -> None:
        """Stop, and be gone on return: later the folder of the log may be gone, too."""
        self._stopped.set()
        self.join()

    def run(self) -> None:
        """Wait for the node's containerd, then pull one image after the other."""
        if not self._images:
            return
        try:
            waiting.until(
                self._answers, what=f"containerd in {self._node}", timeout=max(1.0, self._deadline.left), interval=0.3
            )
            for image in self._images:
                if self._stopped.is_set():
                    return
                self._exec("crictl", "pull", image, timeout=max(1.0, self._deadline.left))
        except HarnessError as error:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            with self._log_file.open("a") as sink:
                sink.write(f"not preloaded: {error.message}\n")

    def _answers(self) -> bool:
        return self._stopped.is_set() or self._exec("crictl", "info", "--quiet", timeout=30) == 0

    def _exec(self, *words: str, timeout: float) -> int:
        argv = ["docker", "exec", self._node, *words]
        return process.call(argv, timeout=timeout, check=False, log_file=self._log_file, stop=self._stopped).returncode


def cluster_config(environment: Environment) -> dict[str, Any]:
    """What `kind create cluster --config` needs for a cluster of this environment on this host."""
    config: dict[str, Any] = yaml.safe_load(_CONFIG.read_text())
    minor = int(environment.kubernetes.split(".")[1])
    if _cgroup_v1() and minor >= 35:
        # Kubernetes 1.35 made the kubelet refuse cgroup v1 unless told otherwise (KEP-5573).
        config["kubeadmConfigPatches"] = [
            "kind: KubeletConfiguration\napiVersion: kubelet.config.k8s.io/v1beta1\nfailCgroupV1: false\n"
        ]
    return config


def _quick_start() -> list[str]:
    """Patches that let the one control plane of a cluster start at once, instead of pacing itself.

    There is nobody to hold an election with, and some forty controllers ask for their accounts one after the other at
    20 requests a second, before the first pod of a DaemonSet is made (cmd/kube-controller-manager/app). kind applies
    the patch whose version it writes itself: arguments are a map in v1beta3 and a list in v1beta4, where what kind
    sets must be repeated (pkg/cluster/internal/kubeadm/config.go).
    """
    alone = {"leader-elect": "false"}
    manager = {**alone, "kube-api-qps": "500", "kube-api-burst": "1000", "enable-hostpath-provisioner": "true"}

    def patch(version: str, form: Callable[[Mapping[str, str]], object]) -> str:
        document = {
            "kind": "ClusterConfiguration",
            "apiVersion": f"kubeadm.k8s.io/{version}",
            "controllerManager": {"extraArgs": form(manager)},
            "scheduler": {"extraArgs": form(alone)},
        }
        return str(yaml.safe_dump(document, sort_keys=False))

    def listed(arguments: Mapping[str, str]) -> object:
        return [{"name": name, "value": value} for name, value in arguments.items()]

    return [patch("v1beta3", dict), patch("v1beta4", listed)]


def _cgroup_v1() -> bool:
    return not Path("/sys/fs/cgroup/cgroup.controllers").exists()
