# SPDX-License-Identifier: Apache-2.0
"""Nodes on which all pods of a rendered release can be scheduled: how many, and which labels each of them needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.releases import node_labels
from harness.releases.node_labels import HOSTNAME, Demand, Label
from harness.releases.values import at

MOST_NODES = 3
"""So many nodes a run makes for the sake of values: each costs memory, and the second half a minute."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


@dataclass(frozen=True, kw_only=True)
class Place:
    """What the pods of one Deployment need of nodes. `demands` are alternatives; no pod may be beside those of `apart`.

    `nodes` are so many different ones. `value` is the key below the part that asks for it, in the chart's values.
    """

    part: str
    value: str
    demands: Sequence[Demand]
    nodes: int
    apart: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class NodePlan:
    """One node: `demand` is what its labels must meet, `parts` are the Deployments whose pods may be on it."""

    demand: Demand = field(default_factory=dict)
    parts: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """A Deployment whose pods no nodes of a run can take; `what` it asks for is in words."""

    part: str
    value: str
    what: str


def nodes_for(objects: Iterable[Mapping[str, Any]], machine: Mapping[str, str]) -> tuple[list[NodePlan], list[Unmet]]:
    """The nodes for the Deployments among these objects, at least one; and what cannot be met.

    `machine` has the labels of every node that cannot be changed.
    """
    deployments = [it for it in objects if it.get("kind") == "Deployment"]
    nodes = [NodePlan()]
    unmet = []
    for place in [_place(it, deployments) for it in deployments]:
        demands = [it for it in place.demands if node_labels.possible(it, machine)]
        made = _placed(place, demands, nodes) if demands else None
        if made is None:
            unmet.append(Unmet(part=place.part, value=place.value, what=_words(place, bool(demands))))
        else:
            nodes = made
    return nodes, unmet


def part_of(deployment: Mapping[str, Any]) -> str:
    """The part of the operator that a Deployment is: `controller`, `webhook`."""
    return str((at(deployment, "metadata.labels") or {}).get("app.kubernetes.io/component", "controller"))


def foreign_pods(objects: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Part and words of each required podAffinity to pods that the release does not have itself."""
    deployments = [it for it in objects if it.get("kind") == "Deployment"]
    labels = [at(it, "spec.template.metadata.labels") or {} for it in deployments]
    for it in deployments:
        for term in at(it, f"spec.template.spec.affinity.podAffinity.{_REQUIRED}") or ():
            selector = term.get("labelSelector")
            if not any(node_labels.selects(selector, own) for own in labels):
                yield part_of(it), f"other pods beside it (podAffinity, {_selector(selector)})"


def _pod_of(deployment: Mapping[str, Any]) -> Mapping[str, Any]:
    pod: Mapping[str, Any] = at(deployment, "spec.template.spec") or {}
    return pod


def _place(deployment: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> Place:
    pod = _pod_of(deployment)
    replicas = at(deployment, "spec.replicas") or 1
    # The scheduler heeds what the pods ask that are there already, too.
    apart = {part_of(it) for it in others if _keeps_away(pod, it) or _keeps_away(_pod_of(it), deployment)}
    part = part_of(deployment)
    spread = list(_spread(pod))
    keys: Demand = {key: Label(there=True) for key, _ in spread if key != HOSTNAME}
    joined = (node_labels.both(it, keys) for it in node_labels.of_pod(pod))
    value = "nodeSelector" if pod.get("nodeSelector") else "affinity" if pod.get("affinity") else _SPREAD
    return Place(
        part=part,
        value=value,
        demands=[it for it in joined if it is not None],
        nodes=max([replicas if part in apart else 1, *(domains for _, domains in spread)]),
        apart=frozenset(apart - {part}),
    )


_SPREAD = "topologySpreadConstraints"


def _spread(pod: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The labels that nodes must have for pods to be spread over them, or near others, with the number of values."""
    for it in pod.get(_SPREAD) or ():
        if it.get("whenUnsatisfiable", "DoNotSchedule") == "DoNotSchedule":
            yield str(it.get("topologyKey")), int(it.get("minDomains") or 1)
    for it in at(pod, f"affinity.podAffinity.{_REQUIRED}") or ():
        yield str(it.get("topologyKey")), 1


def _keeps_away(pod: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a pod must not be on a node with those of the other Deployment.

    A node without the label of another topologyKey is in no topology, and takes them all.
    """
    labels = at(other, "spec.template.metadata.labels") or {}
    terms = at(pod, f"affinity.podAntiAffinity.{_REQUIRED}") or ()
    return any(
        it.get("topologyKey") == HOSTNAME and node_labels.selects(it.get("labelSelector"), labels) for it in terms
    )


def _placed(place: Place, demands: Sequence[Demand], nodes: Sequence[NodePlan]) -> list[NodePlan] | None:
    """The nodes with the pods of one more Deployment on them; None where a run has too few."""
    best: list[NodePlan] | None = None
    for demand in demands:
        found, left = [], place.nodes
        for node in [*nodes, *[NodePlan()] * MOST_NODES]:
            joined = node_labels.both(node.demand, demand) if left and not node.parts & place.apart else None
            if joined is not None:
                found.append(NodePlan(demand=joined, parts=node.parts | {place.part}))
                left -= 1
            elif len(found) < len(nodes):
                found.append(node)
        if not left and len(found) <= MOST_NODES and (best is None or len(found) < len(best)):
            best = found
    return best


def _words(place: Place, possible: bool) -> str:
    shown = node_labels.shown(place.demands)
    if place.nodes > 1 and possible:
        return f"{place.nodes} nodes{f' with {shown}' if shown else ''}, one for each replica"
    if not place.demands:
        return "nodes that no run can have (its conditions contradict each other, or name a node)"
    if possible:
        return f"a node of its own with {shown}" if shown else "a node of its own"
    return f"nodes with {shown}"


def _selector(selector: Mapping[str, Any] | None) -> str:
    wanted = (selector or {}).get("matchLabels") or {}
    return ", ".join(f"{key}={it}" for key, it in wanted.items()) or "by an expression"
