# SPDX-License-Identifier: Apache-2.0
"""What is in the site's cluster beside the operator, as manifests: namespaces and all that judges pods in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.rehearsal import helpers
from harness.sites.model import Namespace, PriorityClass, Site

_OF_KUBERNETES = ("default", "kube-system", "kube-public", "kube-node-lease")
_NETWORK = "networking.k8s.io/v1"

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


def _of(space: Namespace) -> Iterator[dict[str, Any]]:
    if space.name not in _OF_KUBERNETES or space.pod_security:
        yield _space(space.name, space.pod_security)
    for version, kind, specs in (
        ("v1", "ResourceQuota", space.quotas),
        ("v1", "LimitRange", space.limits),
        (_NETWORK, "NetworkPolicy", space.network_policies),
    ):
        for name, spec in specs.items():
            metadata = {"name": name, "namespace": space.name}
            yield {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
    for it in space.pull_secrets:
        yield helpers.pull_secret(it.name, space.name)


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
