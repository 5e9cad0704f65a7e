# SPDX-License-Identifier: Apache-2.0
"""One cluster for paths of one edge, one after the other: cleaned, and proved clean, before the next one begins."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from harness.errors import ApiError, ClusterError, WaitTimeout
from harness.existing import inventory
from harness.existing.inventory import Inventory
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.matrix.path_names import by_argo_cd
from harness.releases.home import Home
from harness.releases.undo import undo
from harness.run import plan
from harness.run.attempt import Attempt
from harness.waiting import until
from harness.wording import first_few

_GONE_SECONDS = 60.0
_CLEAN_SECONDS = 20.0
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Spare:
    """A cluster that a path has left clean: everything in it is as in the `picture` of before the first path."""

    cluster: Cluster
    picture: Inventory
    seconds: float


def family(attempts: Sequence[Attempt]) -> tuple[object, ...] | None:
    """What paths have in common of which one may begin where another has ended; None for those that need their own.

    That is an edge with the user's values alone: CRD modes and ways are told apart by what is in the cluster, all of
    which goes. Argo CD, which runs beside the cluster, knows of one path only. A path whose values name an image that
    must be nowhere needs a node that never had it.
    """
    cell = attempts[0].cell
    path, needs = cell.path, cell.scenario.needs
    usual = path.kind == "upgrade" and path.values == "default" and not (by_argo_cd(path) or path.profile)
    alone = any(it.number > 1 or it.cell.scenario.needs.cluster or it.cell.scenario.needs.nodes > 1 for it in attempts)
    if not usual or alone or needs.installed != "first-release":
        return None
    return (cell.environment.name, path.releases, plan.processors(attempts))


def picture_of(cluster: Cluster) -> Inventory | None:
    """Everything in a cluster; None where that cannot be listed, after which no other path gets it."""
    try:
        with cluster.api_client() as api:
            return inventory.take(api)
    except ApiError:
        return None


def clean(cluster: Cluster, *, helm: Path, home: Home, namespaces: Sequence[str], picture: Inventory) -> Spare | str:
    """Remove all that a path has made, and prove it; why the cluster is of no more use, in words, where that failed."""
    began = time.monotonic()
    try:
        with cluster.api_client() as api:
            _end_pods(api, (*namespaces, home.namespace))
        with ThreadPoolExecutor(len(namespaces) + 1) as pool:
            undone = pool.submit(undo, cluster, helm=helm, name=home.name, namespace=home.namespace)
            list(pool.map(lambda name: _delete_namespace(cluster, name), namespaces))
            undone.result()
        with cluster.api_client() as api:
            # What is in no namespace of the path's and not Helm's either: of Kustomize, of kubectl, of a hook.
            inventory.delete(api, inventory.compare(picture, inventory.take(api)).came)
            words = _differences(api, picture)
    except (ApiError, ClusterError, WaitTimeout) as trouble:
        return trouble.message
    if words:
        return first_few(words, _SHOWN, "; ")
    return Spare(cluster=cluster, picture=picture, seconds=round(time.monotonic() - began, 1))


def _end_pods(api: client.ApiClient, namespaces: Sequence[str]) -> None:
    """Pods that are given no time to end: drivers and servers would take half a minute each."""
    core = client.CoreV1Api(api)
    for namespace in namespaces:
        core.delete_collection_namespaced_pod(namespace, grace_period_seconds=0)


def _delete_namespace(cluster: Cluster, name: str) -> None:
    with cluster.api_client() as api:
        core = client.CoreV1Api(api)
        try:
            core.delete_namespace(name)
        except ApiError as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise

        def gone() -> bool:
            return name not in {it["metadata"]["name"] for it in listed(core.list_namespace)}

        until(gone, what=f"namespace {name} to be gone", timeout=_GONE_SECONDS, interval=0.5)


def _differences(api: client.ApiClient, picture: Inventory) -> list[str]:
    """What is not as in the picture; what goes in the background gets some seconds."""

    def look() -> list[str]:
        return inventory.compare(picture, inventory.take(api)).words

    try:
        until(lambda: not look(), what="the cluster to be as before", timeout=_CLEAN_SECONDS, interval=1.0)
    except WaitTimeout:
        return look()
    return []
