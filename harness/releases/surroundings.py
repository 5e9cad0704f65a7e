# SPDX-License-Identifier: Apache-2.0
"""What surrounds a cell on its cluster: nodes, pods that cannot run, events; it tells whether the host failed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.kube.models import EPOCH, Event, Node, Pod
from harness.late import client

_NODES_OWN = "default"
"""The namespace in which the kubelet writes events about its node, among those of whatever else is in it."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All of it, at one moment."""

    nodes: tuple[Node, ...] = ()
    pods: tuple[Pod, ...] = ()
    events: tuple[Event, ...] = ()


def look(cluster: Cluster, namespaces: Iterable[str]) -> Surroundings:
    """Look at the nodes and at these namespaces. Raises ApiError."""
    wanted = dict.fromkeys(namespaces)
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        nodes = [reading.node(it) for it in listed(core.list_node)]
        pods = [reading.pod(it) for namespace in wanted for it in listed(core.list_namespaced_pod, namespace)]
        own = reading.events(it for name in wanted for it in listed(core.list_namespaced_event, name))
        about_nodes = _about_nodes(core)
    # A cluster that is older than the run has events of before it.
    began = min(
        (it for it in (*(pod.created for pod in pods), *(event.first for event in own)) if it > EPOCH), default=EPOCH
    )
    of_nodes = [it for it in reading.events(about_nodes) if it.at >= began or it.at == EPOCH]
    return Surroundings(nodes=tuple(nodes), pods=tuple(pods), events=(*of_nodes, *own))


def _about_nodes(core: client.CoreV1Api) -> list[dict[str, Any]]:
    """The events about nodes; none for a guest in a cluster who may not read the events of others."""
    try:
        return listed(core.list_namespaced_event, _NODES_OWN, field_selector="involvedObject.kind=Node")
    except ApiError as refused:
        if refused.status != HTTPStatus.FORBIDDEN:
            raise
        return []
