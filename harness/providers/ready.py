# SPDX-License-Identifier: Apache-2.0
"""Waits until a new cluster can be used: node Ready, service accounts exist, Services and DNS work."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from harness import process, waiting
from harness.errors import ApiError
from harness.kube import reading
from harness.kube.cluster import Cluster
from harness.kube.watching import watch_until
from harness.late import client
from harness.providers.containers import execute


def wait_services(
    cluster: Cluster, deadline: waiting.Deadline, kubectl: Sequence[str], *, nodes: int = 1
) -> dict[str, float]:
    """Wait until `nodes` nodes are Ready and Services work; returns each duration in seconds.

    `kubectl` is the command line by which a node's own kubectl acts as an administrator. Raises WaitTimeout, and
    ApiError when the API server refuses or becomes unreachable.
    """
    started = time.monotonic()
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        watch_until(
            core.list_node,
            partial(_ready, set(), nodes),
            what=f"{'the node' if nodes == 1 else f'all {nodes} nodes'} of {cluster.name} to be Ready",
            timeout=max(1.0, deadline.left),
            describe=_condition,
        )
        node_ready = time.monotonic() - started

        def account_and_service() -> str:
            # A young API server also answers 429, "storage is (re)initializing".
            core.read_namespaced_service_account("default", "default")
            service = core.read_namespaced_service("kubernetes", "default")
            return str(service.spec.cluster_ip) if service.spec else ""

        address = waiting.until(
            account_and_service,
            what="the default service account and the API server's own service",
            timeout=max(1.0, deadline.left),
            interval=0.1,
            ignore=(ApiError,),
        )

    def through_service() -> process.Completed:
        # A node is Ready before kube-proxy has written its rules; until then a service's address leads out of the
        # cluster, and an operator that starts at that moment exits. The certificate shows who answers.
        host = f"[{address}]" if ":" in address else address
        argv = [*kubectl, "--server", f"https://{host}:443", "--request-timeout=3s", "get", "--raw", "/readyz"]
        return execute(cluster.nodes[0], argv)

    waiting.until(
        through_service,
        lambda answer: answer.returncode == 0,
        what=f"the API server to answer on its service address {address}",
        timeout=max(1.0, deadline.left),
    )
    return {"node-ready": node_ready, "services-ready": time.monotonic() - started - node_ready}


def wait_names(cluster: Cluster, deadline: waiting.Deadline) -> None:
    """Wait until names are resolved in the cluster. Raises as `wait_services` does."""
    with cluster.api_client() as api:
        # CoreDNS that asked for the API server before there were rules answers nobody until that request is given up,
        # after 30 s where packets get lost; a driver would not find the API server's name.
        watch_until(
            client.AppsV1Api(api).list_namespaced_deployment,
            _available,
            what="CoreDNS to be available",
            timeout=max(1.0, deadline.left),
            describe=lambda deployment: f"{reading.deployment(deployment).ready} replicas are ready",
            namespace="kube-system",
            label_selector="k8s-app=kube-dns",
        )


def _available(event: str, deployment: Any) -> bool | None:
    return True if reading.deployment(deployment).available else None


def _ready(ready: set[str], nodes: int, event: str, item: Any) -> bool | None:
    """True once so many nodes are Ready; `ready` are the names of those that were seen so."""
    node = reading.node(item)
    (ready.add if node.ready else ready.discard)(node.name)
    return True if len(ready) >= nodes else None


def _condition(node: Any) -> str:
    return reading.node(node).why
