# SPDX-License-Identifier: Apache-2.0
"""What is in the site's cluster beside the operator, as manifests: namespaces and all that judges pods in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.kube.well_known import FIRST_NAMESPACES
from harness.redaction.redactor import MASK
from harness.rehearsal import helpers
from harness.sites.model import Namespace, PriorityClass, Site

_NETWORK = "networking.k8s.io/v1"
_FOR_LARGE_PODS = ("min", "maxLimitRequestRatio")

CLUSTER = "the.cluster"
"""No namespace has such a name, since it has a dot."""


def manifests(site: Site, home: str, values: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The objects by namespace, those without one under CLUSTER.

    `home` is the operator's namespace, whose `values` may name ConfigMaps and Secrets.
    """
    found = {it.name: list(_of(it)) for it in site.namespaces if it.exists}
    there = {str(it["metadata"]["name"]) for it in found.get(home, ()) if it["kind"] == "Secret"}
    for it in helpers.stand_ins([values], home):
        if it["metadata"]["name"] not in there:
            found.setdefault(home, [_space(home, {})]).append(it)
    found[CLUSTER] = [_priority_class(it) for it in site.priority_classes]
    return {name: it for name, it in found.items() if it}


def stand_ins(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """The ConfigMaps and Secrets among them, which are empty, in words."""
    return [
        f"{it['kind']} {name}/{it['metadata']['name']}"
        for name, objects in found.items()
        for it in objects
        if it["kind"] in ("ConfigMap", "Secret")
    ]


def told(site: Site) -> list[str]:
    """What is otherwise in them, in words."""
    each = [it for space in site.namespaces if space.exists for it in _rules(space)]
    words = {
        "LimitRange": "LimitRanges have no least amounts and no ratios, since pods are small here",
        "NetworkPolicy": "addresses in NetworkPolicies stand for any address, since those of the site are not here",
    }
    changed = {kind for _, kind, _, spec in each if not _is_masked(spec) and _fitting(kind, spec) != spec}
    masked = [f"{kind} {name}" for _, kind, name, spec in each if _is_masked(spec)]
    left_out = [f"left out, since something in them is masked: {', '.join(masked)}"] if masked else []
    return [*(said for kind, said in words.items() if kind in changed), *left_out]


def _of(space: Namespace) -> Iterator[dict[str, Any]]:
    if space.name not in FIRST_NAMESPACES or space.pod_security:
        yield _space(space.name, space.pod_security)
    for version, kind, name, spec in _rules(space):
        if not _is_masked(spec):
            metadata = {"name": name, "namespace": space.name}
            yield {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": _fitting(kind, spec)}
    for it in space.pull_secrets:
        yield helpers.pull_secret(it.name, space.name)


def _rules(space: Namespace) -> Iterator[tuple[str, str, str, Any]]:
    """apiVersion, kind, name and spec of what judges pods."""
    for version, kind, specs in (
        ("v1", "ResourceQuota", space.quotas),
        ("v1", "LimitRange", space.limits),
        (_NETWORK, "NetworkPolicy", space.network_policies),
    ):
        yield from ((version, kind, name, spec) for name, spec in specs.items())


def _fitting(kind: str, value: Any, key: str = "") -> Any:
    """A spec for a small cluster with other addresses: what is too small for the site would be refused, and the API
    server could not be reached.
    """
    if kind == "NetworkPolicy" and key == "ipBlock":
        return {"cidr": "0.0.0.0/0"}
    if isinstance(value, Mapping):
        gone = _FOR_LARGE_PODS if kind == "LimitRange" else ()
        return {inner: _fitting(kind, it, inner) for inner, it in value.items() if inner not in gone}
    return [_fitting(kind, it) for it in value] if isinstance(value, list) else value


def _is_masked(value: Any) -> bool:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return value == MASK or any(map(_is_masked, inner))


def _priority_class(it: PriorityClass) -> dict[str, Any]:
    made: dict[str, Any] = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": it.name},
        "value": it.value,
        "globalDefault": it.default,
    }
    return {**made, "preemptionPolicy": it.preemption} if it.preemption else made


def _space(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}
