# SPDX-License-Identifier: Apache-2.0
"""Looks at an existing cluster, and only looks: its version and nodes, and what of the operator is in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import filterfalse
from typing import Any

from harness.errors import ApiError, ClusterError
from harness.existing.model import NAME, Crd, Seen, Target
from harness.kube import reading
from harness.kube.login import Access, logged_in
from harness.kube.well_known import CRDS_PATH
from harness.late import client
from harness.matrix.model import Environment
from harness.sites import installed, operators, surroundings
from harness.sites.reader import Reader

_VERSION = re.compile(r"v?(\d+\.\d+\.\d+)")


def target(access: Access) -> Target:
    """Log in, and say which Kubernetes it is. Raises UsageError and ClusterError as `logged_in` does."""
    with logged_in(access) as api:
        try:
            reader = Reader(api)
            facts = surroundings.cluster(reader)
            open_to_pods = filterfalse(_is_shut, reader.items("/api/v1/nodes", "nodes"))
            nodes = [it for it in map(reading.node, open_to_pods) if it.ready]
        except ApiError as away:
            raise _away(access, away) from away
    version = _VERSION.match(facts.version)
    if version is None:
        raise ClusterError(
            f"the cluster of context {access.context} does not say which Kubernetes it is: {facts.version}",
            f"kubectl --context {access.context} version",
        )
    environment = Environment(
        name=NAME,
        provider=NAME,
        kubernetes=version[1],
        distribution=facts.distribution,
        existing=True,
        tags=(NAME,),
    )
    return Target(
        access=access,
        environment=environment,
        nodes=tuple(it.name for it in nodes),
        memory_mib=sum(it.memory for it in nodes) >> 20,
    )


def look(access: Access) -> Seen:
    """What is there of the operator, of whomever. Raises ClusterError when the API server goes away."""
    with logged_in(access) as api:
        try:
            return _look(api)
        except ApiError as away:
            raise _away(access, away) from away


def _look(api: client.ApiClient) -> Seen:
    reader = Reader(api)
    spaces = reader.items("/api/v1/namespaces", "namespaces", names_only=True)
    namespaces = {str(it["metadata"]["name"]): dict(it["metadata"].get("labels") or {}) for it in spaces}
    found = operators.deployments(reader)
    return Seen(
        namespaces=namespaces,
        operators=found,
        releases=installed.helm_releases(reader, operators.helm_homes(found)),
        installers=installed.installers(reader, found, surroundings.groups(reader)),
        webhooks=operators.webhooks(reader),
        crds=tuple(_crd(reader, it) for it in list(reader.items(CRDS_PATH, "CRDs")) if _is_operators(it)),
        unread=tuple(dict.fromkeys(reader.unread)),
    )


def _is_operators(item: Mapping[str, Any]) -> bool:
    return bool(item["spec"]["group"] == operators.GROUP)


def _crd(reader: Reader, item: Mapping[str, Any]) -> Crd:
    spec, name = item["spec"], str(item["metadata"]["name"])
    version = next(it["name"] for it in spec["versions"] if it.get("served"))
    path = f"/apis/{spec['group']}/{version}/{spec['names']['plural']}"
    objects = sum(1 for _ in reader.items(path, f"objects of {name}", names_only=True))
    return Crd(name=name, labels=dict(item["metadata"].get("labels") or {}), objects=objects)


def _is_shut(node: Mapping[str, Any]) -> bool:
    """Whether a node takes no pods, ready or not."""
    spec = node.get("spec") or {}
    return bool(
        spec.get("unschedulable") or any(it.get("effect") != "PreferNoSchedule" for it in spec.get("taints") or ())
    )


def _away(access: Access, away: ApiError) -> ClusterError:
    return ClusterError(
        f"the cluster of context {access.context} could not be read to the end: {away.message}",
        "nothing was changed in it; try again",
    )
