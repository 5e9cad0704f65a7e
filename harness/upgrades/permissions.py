# SPDX-License-Identifier: Apache-2.0
"""What the operator's service accounts may do, before and after."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """Rights that came and that went, one line each.

    `spark-operator-controller in running-apps: create pods`; with `in all namespaces` for a ClusterRoleBinding. A right
    to objects of certain names ends with them.
    """

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


def look(cluster: Cluster, namespace: str) -> frozenset[str]:
    """The rights of all service accounts of a namespace, as their roles have them. Raises what the API client does."""
    with cluster.api_client() as api:
        rbac = client.RbacAuthorizationV1Api(api)
        cluster_roles = {it["metadata"]["name"]: it.get("rules") or [] for it in listed(rbac.list_cluster_role)}
        roles = {
            (it["metadata"]["namespace"], it["metadata"]["name"]): it.get("rules") or []
            for it in listed(rbac.list_role_for_all_namespaces)
        }
        found: set[str] = set()
        for binding in listed(rbac.list_cluster_role_binding):
            rules = cluster_roles.get(binding["roleRef"]["name"], [])
            for account in _accounts(binding, namespace):
                found.update(f"{account} in all namespaces: {right}" for right in rights(rules))
        for binding in listed(rbac.list_role_binding_for_all_namespaces):
            where, name = binding["metadata"]["namespace"], binding["roleRef"]["name"]
            of_cluster = binding["roleRef"]["kind"] == "ClusterRole"
            rules = cluster_roles.get(name, []) if of_cluster else roles.get((where, name), [])
            for account in _accounts(binding, namespace):
                found.update(f"{account} in {where}: {right}" for right in rights(rules))
    return frozenset(found)


def change(before: Iterable[str], after: Iterable[str]) -> PermissionChange:
    """What came and what went."""
    was, now = set(before), set(after)
    return PermissionChange(gained=tuple(sorted(now - was)), lost=tuple(sorted(was - now)))


def rights(rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Rules one right a line: `create pods`, `get deployments.apps`, `get /metrics`."""
    for rule in rules:
        names = f" named {', '.join(sorted(rule['resourceNames']))}" if rule.get("resourceNames") else ""
        for verb in rule.get("verbs") or ():
            for group in rule.get("apiGroups") or ():
                for resource in rule.get("resources") or ():
                    yield f"{verb} {resource}{'.' + group if group else ''}{names}"
            for address in rule.get("nonResourceURLs") or ():
                yield f"{verb} {address}"


def _accounts(binding: Mapping[str, Any], namespace: str) -> Iterator[str]:
    for subject in binding.get("subjects") or ():
        if subject["kind"] == "ServiceAccount" and subject.get("namespace") == namespace:
            yield str(subject["name"])
