# SPDX-License-Identifier: Apache-2.0
"""When a new cluster can be used: its node runs pods, its accounts exist, and services have their addresses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError

from harness import process, waiting
from harness.providers.base import Cluster
from harness.providers.containers import execute


def wait_ready(cluster: Cluster, deadline: waiting.Deadline, kubectl: Sequence[str]) -> dict[str, float]:
    """Wait until the node is Ready and services work; returns what each took, in seconds.

    `kubectl` are the words by which a node's own kubectl asks as an administrator. Raises WaitTimeout, and
    ApiException or HTTPError when the API server refuses or goes away.
    """
    started = time.monotonic()
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        waiting.watch_until(
            core.list_node,
            _ready,
            what=f"the node of {cluster.name} to be Ready",
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
            ignore=(client.ApiException, HTTPError),
        )

    def through_service() -> process.Completed:
        # A node is Ready before kube-proxy has written its rules; until then a service's address leads out of the
        # cluster, and an operator that starts at that moment exits. The certificate shows who answers.
        argv = [*kubectl, "--server", f"https://{address}:443", "--request-timeout=3s", "get", "--raw", "/readyz"]
        return execute(cluster.nodes[0], argv)

    waiting.until(
        through_service,
        lambda answer: answer.returncode == 0,
        what=f"the API server to answer on its service address {address}",
        timeout=max(1.0, deadline.left),
    )
    return {"node-ready": node_ready, "services-ready": time.monotonic() - started - node_ready}


def _ready(event: str, node: Any) -> bool | None:
    conditions = {condition.type: condition.status for condition in node.status.conditions or []}
    return True if conditions.get("Ready") == "True" else None


def _condition(node: Any) -> str:
    return "; ".join(
        f"{condition.type}={condition.status} {condition.reason}: {condition.message}"
        for condition in node.status.conditions or []
        if condition.type == "Ready"
    )
