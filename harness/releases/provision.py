# SPDX-License-Identifier: Apache-2.0
"""Makes on a cluster what a user's values ask for and only production has: labels of nodes and
namespaces, PriorityClasses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus

from harness.errors import ApiError
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.kube.well_known import CONTROL_PLANE
from harness.late import client
from harness.releases.fitting import Fit

_PRIORITY = 1_000_000
"""Above every pod without a class, below those of the cluster itself."""


def bring(api: client.ApiClient, fit: Fit) -> None:
    """Make it; what is there already stays. Raises ApiError."""
    if any(fit.nodes) or fit.several:
        _label(api, fit)
    scheduling = client.SchedulingV1Api(api)
    for name in fit.priority_classes:
        made = client.V1PriorityClass(metadata=client.V1ObjectMeta(name=name), value=_PRIORITY)
        try:
            scheduling.create_priority_class(made)
        except ApiError as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise


def create_namespaces(cluster: Cluster, names: Iterable[str]) -> None:
    """Create those of these namespaces that are not there. Raises ApiError."""
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        there = {it["metadata"]["name"] for it in listed(core.list_namespace)}
        for name in (it for it in names if it not in there):
            core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))


def label_namespaces(api: client.ApiClient, names: Iterable[str], labels: Mapping[str, str]) -> None:
    """Give these namespaces the labels. Raises ApiError."""
    if labels:
        for name in names:
            client.CoreV1Api(api).patch_namespace(name, {"metadata": {"labels": dict(labels)}})


def _label(api: client.ApiClient, fit: Fit) -> None:
    """Give the nodes their labels. Of several, the control plane takes pods, too: there are no more than needed."""
    core = client.CoreV1Api(api)
    nodes = sorted(listed(core.list_node), key=lambda it: str(it["metadata"]["name"]))
    for node, labels in zip(nodes, fit.nodes, strict=False):
        change: dict[str, Mapping[str, object]] = {}
        if labels:
            change["metadata"] = {"labels": dict(labels)}
        taints = node["spec"].get("taints") or []
        if any(it["key"] == CONTROL_PLANE for it in taints):
            change["spec"] = {"taints": [it for it in taints if it["key"] != CONTROL_PLANE]}
        if change:
            core.patch_node(node["metadata"]["name"], change)
