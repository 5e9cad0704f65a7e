# SPDX-License-Identifier: Apache-2.0
"""What surrounds a cell on its cluster: nodes, pods that cannot run, events; it tells whether the host failed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.cluster import Cluster
from harness.late import client, quantities
from harness.releases import seen
from harness.releases.seen import ContainerSeen, listed

_API_SECONDS = 15.0
_NODES_OWN = "default"
"""The namespace in which the kubelet writes events about its node."""


@dataclass(frozen=True, kw_only=True)
class NodeSeen:
    """A node. `pressures` are conditions like `MemoryPressure: …` that are true; `memory` is allocatable bytes."""

    name: str
    ready: bool
    why: str
    pressures: tuple[str, ...]
    memory: int


@dataclass(frozen=True, kw_only=True)
class PodPlace:
    """Where a pod stands. `memory` is what its containers request, in bytes; `waiting` are its containers that wait."""

    name: str
    reason: str
    message: str
    unschedulable: str
    memory: int
    waiting: tuple[ContainerSeen, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EventSeen:
    """An event: `about` is `Kind/name`."""

    reason: str
    about: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """All of it, at one moment."""

    nodes: tuple[NodeSeen, ...] = ()
    pods: tuple[PodPlace, ...] = ()
    events: tuple[EventSeen, ...] = ()


def look(cluster: Cluster, namespaces: Iterable[str]) -> Surroundings:
    """Look at the nodes and at these namespaces. Raises ApiException or HTTPError where the API server is away."""
    wanted = dict.fromkeys(namespaces)
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        nodes = [node(it) for it in listed(core.list_node, timeout=_API_SECONDS)]
        pods, events = [], []
        for namespace in wanted:
            pods += [pod_place(it) for it in listed(core.list_namespaced_pod, namespace, timeout=_API_SECONDS)]
        for namespace in dict.fromkeys((*wanted, _NODES_OWN)):
            events += [event(it) for it in listed(core.list_namespaced_event, namespace, timeout=_API_SECONDS)]
    return Surroundings(nodes=tuple(nodes), pods=tuple(pods), events=tuple(events))


def node(item: Mapping[str, Any]) -> NodeSeen:
    """A node from its JSON."""
    status = item.get("status") or {}
    conditions = {it["type"]: it for it in status.get("conditions") or []}
    ready = conditions.get("Ready") or {}
    return NodeSeen(
        name=item["metadata"]["name"],
        ready=ready.get("status") == "True",
        why=": ".join(filter(None, (ready.get("reason"), ready.get("message")))),
        pressures=tuple(
            f"{kind}: {it.get('message') or it.get('reason', '')}"
            for kind, it in conditions.items()
            if kind.endswith("Pressure") and it.get("status") == "True"
        ),
        memory=quantity((status.get("allocatable") or {}).get("memory", "0")),
    )


def pod_place(item: Mapping[str, Any]) -> PodPlace:
    """A pod from its JSON."""
    spec, status, pod = item["spec"], item.get("status") or {}, seen.pod(item)
    return PodPlace(
        name=pod.name,
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        unschedulable=pod.unschedulable,
        memory=sum(
            quantity(((it.get("resources") or {}).get("requests") or {}).get("memory", "0"))
            for it in spec["containers"]
        ),
        waiting=tuple(it for it in pod.containers if it.state == "waiting"),
    )


def event(item: Mapping[str, Any]) -> EventSeen:
    """An event from its JSON."""
    about = item.get("involvedObject") or {}
    return EventSeen(
        reason=item.get("reason") or "",
        about=f"{about.get('kind', '')}/{about.get('name', '')}",
        message=" ".join((item.get("message") or "").split()),
    )


def quantity(text: str) -> int:
    """A Kubernetes quantity of bytes, `1408Mi`, as a number; 0 for what is none."""
    try:
        return int(quantities.parse_quantity(text))  # type: ignore[no-untyped-call]
    except ValueError:
        return 0
