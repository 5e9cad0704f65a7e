# SPDX-License-Identifier: Apache-2.0
"""What all cells of a cluster share: a picture of it, that can be compared with a later one.

Objects without a namespace, and the operator itself. What is in a cell's own namespace is looked at by its scenario.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube import reading
from harness.kube.api import NAMES_ONLY, get, listed
from harness.kube.cluster import Cluster
from harness.kube.well_known import CRDS_PATH
from harness.late import client
from harness.releases.applying import Applied
from harness.releases.own_containers import own_restarts

_KINDS = {
    "Namespace": "/api/v1/namespaces",
    "PersistentVolume": "/api/v1/persistentvolumes",
    "CustomResourceDefinition": CRDS_PATH,
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "MutatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "StorageClass": "/apis/storage.k8s.io/v1/storageclasses",
}
_NAME_ONLY = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, kw_only=True)
class SharedState:
    """`objects` are `Kind/name`; `generations` of the operator's Deployments and `restarts` of its pods go by name.

    `also` are objects that were there before the operator; those that still are, are among `objects` with their uid.
    """

    objects: frozenset[str]
    generations: Mapping[str, int]
    restarts: Mapping[str, int]
    also: tuple[Applied, ...] = ()


def look(cluster: Cluster, operator_namespace: str, also: Sequence[Applied] = ()) -> SharedState:
    """Look at a cluster, and at what was there before the operator. Raises ApiError where the API server is away."""
    with cluster.api_client() as api:
        deployments = map(
            reading.deployment, listed(client.AppsV1Api(api).list_namespaced_deployment, operator_namespace)
        )
        pods = map(reading.pod, listed(client.CoreV1Api(api).list_namespaced_pod, operator_namespace))
        return SharedState(
            objects=frozenset(
                [
                    *(f"{kind}/{name}" for kind, path in _KINDS.items() for name in _names(api, path)),
                    *(f"{it.name} (uid {it.uid})" for it in also if _same(api, it)),
                ]
            ),
            also=tuple(also),
            generations={it.name: it.generation for it in deployments},
            restarts={it.name: own_restarts(it) for it in pods if not it.leaving},
        )


def _names(api: client.ApiClient, path: str) -> list[str]:
    # A schema is large, and its name is enough.
    return [it["metadata"]["name"] for it in get(api, path, accept=NAMES_ONLY)["items"] or () if not _leaving(it)]


def _same(api: client.ApiClient, it: Applied) -> bool:
    """Whether the object is still the one that was applied."""
    try:
        return bool(get(api, it.path, accept=_NAME_ONLY)["metadata"].get("uid") == it.uid)
    except ApiError as gone:
        if gone.status != HTTPStatus.NOT_FOUND:
            raise
        return False


def _leaving(item: Mapping[str, Any]) -> bool:
    return bool(item["metadata"].get("deletionTimestamp"))
