# SPDX-License-Identifier: Apache-2.0
"""Uses a cluster as soon as its API server answers, while its node is still becoming Ready.

Pods must not start that early: before kube-proxy has written its rules, the address of a Service leads out of the
cluster, and an operator that starts at that moment exits. So the node is cordoned first, and uncordoned once Services
work. The DaemonSets of a new cluster (kube-proxy, the CNI plugin) tolerate this.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import yaml

from harness import process, waiting
from harness.errors import ApiError, HarnessError
from harness.images.credentials import write_secret
from harness.kube.api import listed, read
from harness.kube.cluster import Cluster
from harness.kube.well_known import CORDONED
from harness.late import client
from harness.matrix.model import Environment
from harness.providers import containers

Act = Callable[[Cluster, threading.Event], None]
"""What is done with the cluster. It raises nothing, and ends soon after the event is set: the creation has failed."""

_API_PORT = "6443/tcp"
_CORDON_SECONDS = 5.0
# Pauses grow tenfold. What kubeadm adds comes within a second after the API server lets an administrator act.
_SOON = 0.03
# A program in the node waits, since starting one for each look would take processor time from the control plane.
_AWAIT_FILE = 'until [ -s "$0" ]; do sleep 0.2 || exit 1; done; cat "$0"'


class Early(threading.Thread):
    """Waits for the API server of a node and, when it answers before Services work, cordons the node and acts.

    `admin` is the file in the node by which its own programs act as an administrator. What goes wrong before the act
    begins is noted in a log: it then never begins, and whoever creates the cluster goes on as without it.
    """

    def __init__(
        self,
        name: str,
        environment: Environment,
        *,
        node: str,
        admin: str,
        act: Act | None,
        folder: Path,
        seconds: float,
        first: Callable[[Cluster], None] = lambda cluster: None,
    ) -> None:
        """`seconds` are how long the API server is waited for. The kubeconfig and the log come into `folder`.

        `first` is called as soon as the API server takes it, before the node is cordoned. It may raise ApiError.
        """
        super().__init__(name=f"early-{node}", daemon=True)
        self._cluster = Cluster(
            name=name, environment=environment, kubeconfig=folder / "early-kubeconfig", nodes=(node,)
        )
        self._node = node
        self._admin = admin
        self._act = act
        self._first = first
        self._log_file = folder / "early.log"
        self._deadline = waiting.Deadline(seconds=seconds)
        self._begun = threading.Lock()
        self._too_late = threading.Event()
        self._failed = threading.Event()
        self._cordoned = ""

    def run(self) -> None:
        """Wait, cordon, act."""
        if self._act is None:
            return
        try:
            cordoned = self._reach_and_cordon()
        except (HarnessError, yaml.YAMLError, LookupError, TypeError) as error:
            self._log_file.write_text(f"nothing was done early: {error}\n")
            return
        if cordoned:
            self._act(self._cluster, self._failed)

    @property
    def cordoned(self) -> bool:
        """Whether pods wait for `uncordon`."""
        return bool(self._cordoned)

    def uncordon(self, cluster: Cluster) -> None:
        """Let pods be scheduled, since Services work. An act that has not begun never will. Raises ApiError."""
        self._too_late.set()
        with self._begun:
            name = self._cordoned
        if name:
            with cluster.api_client() as api:
                waiting.retry(lambda: _uncordon(api, name), on=(ApiError,), attempts=5)

    def cancel(self) -> None:
        """End it, since the creation has failed, and wait until it has ended."""
        self._too_late.set()
        self._failed.set()
        if self.is_alive():
            self.join()

    def _reach_and_cordon(self) -> bool:
        """Whether the node was cordoned in time. Raises HarnessError."""
        self._write_kubeconfig()
        if self._too_late.is_set():
            return False
        self._until(self._do_first, what="the API server to take a first request", interval=_SOON)
        with self._cluster.api_client() as api:
            name = self._registered(api)
            with self._begun:
                if self._too_late.is_set():
                    return False
                # Before the request: when its answer is lost, the node may be cordoned all the same.
                self._cordoned = name
                _cordon(api, name)
        return True

    def _write_kubeconfig(self) -> None:
        """Write the administrator's kubeconfig with the address that the engine published. Raises HarnessError."""
        text = self._until(self._read_admin, what=f"{self._admin} in {self._node}", interval=0.3)
        if not text:
            return
        config = yaml.safe_load(text)
        address = process.call(["docker", "port", self._node, _API_PORT], timeout=containers.ENGINE_SECONDS).stdout
        port = address.split()[0].rpartition(":")[2]
        for entry in config["clusters"]:
            scheme = entry["cluster"]["server"].partition("://")[0]
            entry["cluster"]["server"] = f"{scheme}://127.0.0.1:{port}"
        write_secret(self._cluster.kubeconfig, yaml.safe_dump(config))

    def _read_admin(self) -> str:
        argv = ["docker", "exec", self._node, "sh", "-c", _AWAIT_FILE, self._admin]
        done = process.call(argv, timeout=max(1.0, self._deadline.left), check=False, stop=self._too_late)
        return done.stdout if done.returncode == 0 else ""

    def _do_first(self) -> str:
        self._first(self._cluster)
        return "done"

    def _registered(self, api: client.ApiClient) -> str:
        """The name of the node, once the API server has it and lets an administrator act; empty when it is too late."""

        def name() -> str:
            nodes = listed(client.CoreV1Api(api).list_node, _request_timeout=_CORDON_SECONDS)
            return str(nodes[0]["metadata"]["name"]) if nodes else ""

        return self._until(name, what=f"{self._node} to be registered", interval=_SOON)

    def _until(self, observe: Callable[[], str], *, what: str, interval: float) -> str:
        """What was observed, empty when it has become too late. Raises WaitTimeout and Cancelled."""
        seen = ""

        def look() -> bool:
            nonlocal seen
            seen = "" if self._too_late.is_set() else observe()
            return bool(seen) or self._too_late.is_set()

        waiting.until(look, what=what, timeout=max(1.0, self._deadline.left), interval=interval, ignore=(ApiError,))
        return seen


def _cordon(api: client.ApiClient, node: str) -> None:
    client.CoreV1Api(api).patch_node(node, {"spec": {"unschedulable": True}}, _request_timeout=_CORDON_SECONDS)


def _uncordon(api: client.ApiClient, node: str) -> None:
    """Let the scheduler use the node at once.

    A cordon has two parts, the second of which the node lifecycle controller adds and removes later, a taint. Without
    the first alone, the scheduler would try each pod once more in vain and then leave it alone for up to ten seconds.
    """
    core = client.CoreV1Api(api)
    spec = read(core.read_node, node, _request_timeout=_CORDON_SECONDS)["spec"]
    others = [it for it in spec.get("taints") or () if it["key"] != CORDONED]
    change = {"spec": {"unschedulable": False, "taints": others}}
    core.patch_node(node, change, _request_timeout=_CORDON_SECONDS)
