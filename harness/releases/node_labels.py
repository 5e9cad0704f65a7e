# SPDX-License-Identifier: Apache-2.0
"""What pods demand of the labels of a node, and labels with which a node meets the demands of several pods.

A node of a run is nobody's but the run's, so that it can have the labels of a production pool. What the kubelet itself
says of its machine cannot be changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.images.architecture import architecture

HOSTNAME = "kubernetes.io/hostname"
_OS, _ARCH = "kubernetes.io/os", "kubernetes.io/arch"
_FIXED = (_OS, _ARCH, HOSTNAME, f"beta.{_OS}", f"beta.{_ARCH}")


def of_this_machine() -> dict[str, str]:
    """The labels that the kubelet gives a node on this machine, and that stay as they are."""
    here = architecture()
    return {_OS: "linux", f"beta.{_OS}": "linux", _ARCH: here, f"beta.{_ARCH}": here}


@dataclass(frozen=True, kw_only=True)
class Label:
    """What is demanded of one label: one of `values` (None: any), none of `but`; whether it must be there or not.

    `there` is None where a node without the label will do.
    """

    values: tuple[str, ...] | None = None
    but: frozenset[str] = frozenset()
    there: bool | None = None

    def with_other(self, other: Label) -> Label | None:
        """Both demands in one; None where they contradict each other."""
        if {self.there, other.there} == {True, False}:
            return None
        values = self.values if other.values is None else other.values
        if self.values is not None and other.values is not None:
            values = tuple(it for it in self.values if it in other.values)
        but = self.but | other.but
        there = self.there if other.there is None else other.there
        if values is not None and not [it for it in values if it not in but]:
            return None
        return Label(values=values, but=but, there=there)


Demand = Mapping[str, Label]
"""By the label's key."""


def both(one: Demand, other: Demand) -> Demand | None:
    """Both demands in one; None where no node can meet both."""
    found = dict(one)
    for key, label in other.items():
        joined = found[key].with_other(label) if key in found else label
        if joined is None:
            return None
        found[key] = joined
    return found


def of_pod(pod: Mapping[str, Any]) -> list[Demand]:
    """What a pod's nodeSelector and its required nodeAffinity demand: any one of these will do, none means no node."""
    selector = {str(key): Label(values=(str(it),), there=True) for key, it in (pod.get("nodeSelector") or {}).items()}
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    if not terms:
        return [selector]
    found = (_of_term(term) for term in terms)
    joined = (both(selector, it) for it in found if it is not None)
    return [it for it in joined if it is not None]


def possible(demand: Demand, machine: Mapping[str, str]) -> bool:
    """Whether a node of this machine can meet it, once it has the labels for it."""
    return all(_possible(label, machine.get(key)) for key, label in demand.items() if key in _FIXED)


def labels(demand: Demand, number: int) -> dict[str, str | None]:
    """The labels that a node needs to meet the demand; None for one that it must not have.

    Where any value will do it is one of the node's own, of which `number` is the number.
    """
    found: dict[str, str | None] = {}
    for key, label in demand.items():
        if key in _FIXED:
            continue
        if label.there is False:
            found[key] = None
        elif label.values is not None and label.there:
            found[key] = next(it for it in label.values if it not in label.but)
        elif label.there:
            found[key] = next(it for it in (f"run-{number}", f"a-run-{number}") if it not in label.but)
    return found


def shown(demands: Sequence[Demand]) -> str:
    """The labels in words, as `pool=system`."""
    words = []
    for key, label in (demands[0] if demands else {}).items():
        if label.there is False:
            words.append(f"no {key}")
        else:
            words.append(f"{key}={'|'.join(label.values)}" if label.values is not None else key)
    return ", ".join(words)


def selects(selector: Mapping[str, Any] | None, of: Mapping[str, str]) -> bool:
    """Whether a label selector selects an object with these labels; one that is left out selects nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    rules = (_expression(it) for it in selector.get("matchExpressions") or ())
    return all(of.get(key) == it for key, it in wanted.items()) and all(_met(*it, of) for it in rules if it)


def _met(key: str, label: Label, of: Mapping[str, str]) -> bool:
    if label.there is False:
        return key not in of
    if key not in of:
        return not label.there
    return (label.values is None or of[key] in label.values) and of[key] not in label.but


def _of_term(term: Mapping[str, Any]) -> Demand | None:
    """What one of the terms demands; None for one that no node of a run can meet.

    An empty term selects no node, and matchFields names one (core/v1, NodeSelectorTerm).
    """
    expressions: Iterable[Mapping[str, Any]] = term.get("matchExpressions") or ()
    if term.get("matchFields") or not expressions:
        return None
    demand: Demand | None = {}
    for it in expressions:
        rule = _expression(it)
        demand = both(demand, {rule[0]: rule[1]}) if rule and demand is not None else None
    return demand


def _expression(it: Mapping[str, Any]) -> tuple[str, Label] | None:
    """Key and demand of one of matchExpressions; None for one that cannot be met."""
    key, values = str(it.get("key")), tuple(map(str, it.get("values") or ()))
    match it.get("operator"):
        case "In":
            return key, Label(values=values, there=True)
        case "NotIn":
            return key, Label(but=frozenset(values))
        case "Exists":
            return key, Label(there=True)
        case "DoesNotExist":
            return key, Label(there=False)
        case "Gt" | "Lt" as than:
            if len(values) != 1 or not values[0].lstrip("-").isdigit():
                return None
            return key, Label(values=(str(int(values[0]) + (1 if than == "Gt" else -1)),), there=True)
    return None


def _possible(label: Label, has: str | None) -> bool:
    if label.there is False:
        return False
    if has is None:
        # The node's name, which nobody knows before.
        return label.values is None
    return (label.values is None or has in label.values) and has not in label.but
