# SPDX-License-Identifier: Apache-2.0
"""Adjusts what kubeadm puts into the namespace kube-system, so that a new cluster on a busy machine serves soon."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube.api import listed, raw
from harness.kube.cluster import Cluster
from harness.kube.well_known import CONTROL_PLANE, CORDONED
from harness.late import client

_NAMESPACE = "kube-system"
_KUBE_PROXY = "kube-proxy"
_SHARE = "100m"
_COREDNS = "coredns"


def expect_kube_proxy(cluster: Cluster) -> None:
    """Have pods of kube-system without a CPU request given one when they are made, see `give_kube_proxy_a_share`.

    To be called before kube-proxy is there. Raises ApiError.
    """
    limits = {"limits": [{"type": "Container", "defaultRequest": {"cpu": _SHARE}}]}
    with cluster.api_client() as api:
        try:
            wanted = {"metadata": {"name": "share-of-a-busy-host"}, "spec": limits}
            raw(client.CoreV1Api(api).create_namespaced_limit_range, _NAMESPACE, wanted)
        except ApiError as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise


def give_kube_proxy_a_share(cluster: Cluster) -> None:
    """Give kube-proxy a CPU request, so that it gets its share of a busy host; kubeadm sets none. Raises ApiError.

    Without it, a Service keeps routing to deleted pods for as long as a node is busy, which would
    count as an outage of the operator's webhook. Pods that have one already are left alone: others are made anew.
    """
    container = {"name": _KUBE_PROXY, "resources": {"requests": {"cpu": _SHARE}}}
    change = {"spec": {"template": {"spec": {"containers": [container]}}}}
    with cluster.api_client() as api:
        pods = listed(client.CoreV1Api(api).list_namespaced_pod, _NAMESPACE, label_selector=f"k8s-app={_KUBE_PROXY}")
        if pods and all(_asks_for_cpu(pod) for pod in pods):
            return
        raw(client.AppsV1Api(api).patch_namespaced_daemon_set, _KUBE_PROXY, _NAMESPACE, change)


def _asks_for_cpu(pod: Mapping[str, Any]) -> bool:
    containers = pod["spec"]["containers"]
    return all((it.get("resources") or {}).get("requests", {}).get("cpu") for it in containers)


def start_names_on_a_cordoned_node(cluster: Cluster) -> None:
    """Have CoreDNS started at once, before everything else that waits for the node. Raises ApiError.

    One replica is enough for one node. It is asked every second whether it is ready, where kubeadm leaves it at ten: a
    kubelet that looks a moment too early does not look again for so long.
    """
    tolerations = [
        {"key": "CriticalAddonsOnly", "operator": "Exists"},
        {"key": CONTROL_PLANE, "effect": "NoSchedule"},
        {"key": CORDONED, "operator": "Exists"},
    ]
    container = {"name": _COREDNS, "readinessProbe": {"periodSeconds": 1}}
    change = {"spec": {"replicas": 1, "template": {"spec": {"tolerations": tolerations, "containers": [container]}}}}
    with cluster.api_client() as api:
        raw(client.AppsV1Api(api).patch_namespaced_deployment, _COREDNS, _NAMESPACE, change)
