# SPDX-License-Identifier: Apache-2.0
"""What an upgrade leaves in the cluster: objects that nobody owns any more, and stored ones that fit no schema."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from harness.apps.objects import GROUP, RESOURCES
from harness.errors import ApiError
from harness.kube import others
from harness.kube.api import get, listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.releases import webhook

_PREFIX = "harness-fits-"

_CORE = {
    "ServiceAccount": "serviceaccounts",
    "Service": "services",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
}
_CLUSTER_WIDE = frozenset(
    {
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
        "MutatingWebhookConfiguration",
        "ValidatingWebhookConfiguration",
        "Namespace",
        "PriorityClass",
    }
)


def orphans(
    cluster: Cluster, before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]], namespace: str
) -> tuple[str, ...]:
    """The objects of the manifest of before that the one of after has not, and that are there all the same.

    `namespace` is the release's. Raises ApiError where the API server does not answer.
    """
    gone = {_key(it, namespace): it for it in before}
    for item in after:
        gone.pop(_key(item, namespace), None)
    with cluster.api_client() as api:
        return tuple(key for key, item in gone.items() if _exists(api, item, namespace))


def records_of_helm(cluster: Cluster, name: str, namespace: str) -> tuple[str, ...]:
    """The Secrets in which Helm keeps the revisions of a release: by them, `helm uninstall` still deletes its objects.

    Raises ApiError.
    """
    with cluster.api_client() as api:
        secrets = listed(
            client.CoreV1Api(api).list_namespaced_secret, namespace, label_selector=f"owner=helm,name={name}"
        )
    return tuple(f"Secret/{namespace}/{it['metadata']['name']}" for it in secrets)


def unfit(cluster: Cluster, namespaces: Collection[str] = ()) -> dict[str, str]:
    """The stored objects of the operator that the schema in the cluster refuses today, with the API server's words.

    In a cluster of a user's only those of these namespaces, the run's, are tried.
    Asked by a dry-run create of a copy: an update would be spared the rules for what it does not touch. A refusal by
    the webhook is no matter of the schema, and is left out. Raises what the API client raises.
    """
    found: dict[str, str] = {}
    with cluster.api_client() as api:
        custom: Any = client.CustomObjectsApi(api)
        for resource in RESOURCES:
            try:
                items = listed(custom.list_cluster_custom_object, GROUP, resource.version, resource.plural)
            except ApiError as unknown:
                if unknown.status == HTTPStatus.NOT_FOUND:
                    continue
                raise
            for item in items:
                where, name = item["metadata"]["namespace"], item["metadata"]["name"]
                if cluster.marks and where not in namespaces:
                    continue
                said = _refusal(custom, resource.version, resource.plural, where, _copy(item))
                if said:
                    found[f"{resource.kind}/{where}/{name}"] = said
    return found


def _copy(item: Mapping[str, Any]) -> dict[str, Any]:
    made = {key: copy.deepcopy(value) for key, value in item.items() if key not in ("status", "metadata")}
    name = (_PREFIX + item["metadata"]["name"])[:50].rstrip("-.")
    made["metadata"] = {"name": name, "namespace": item["metadata"]["namespace"]}
    return made


def _refusal(custom: Any, version: str, plural: str, namespace: str, body: Mapping[str, Any]) -> str:
    try:
        custom.create_namespaced_custom_object(
            GROUP, version, namespace, plural, dict(body), dry_run="All", field_validation="Strict"
        )
    except ApiError as refused:
        said = refused.said
        if "admission webhook" in said or webhook.not_asked(said) or others.word(said):
            return ""
        if refused.status in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY):
            return said
        raise
    return ""


def _key(item: Mapping[str, Any], namespace: str) -> str:
    metadata = item["metadata"]
    where = "" if item["kind"] in _CLUSTER_WIDE else metadata.get("namespace") or namespace
    return "/".join(filter(None, (item["kind"], where, metadata["name"])))


def _exists(api: client.ApiClient, item: Mapping[str, Any], namespace: str) -> bool:
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item["metadata"]
    root = f"/apis/{group}/{version}" if group else f"/api/{version}"
    where = "" if item["kind"] in _CLUSTER_WIDE else f"/namespaces/{metadata.get('namespace') or namespace}"
    plural = _CORE.get(item["kind"]) or next(iter(_plurals(api, root, item["kind"])), "")
    if not plural:
        return False
    return _found(api, f"{root}{where}/{plural}/{metadata['name']}") is not None


def _plurals(api: client.ApiClient, root: str, kind: str) -> Iterator[str]:
    for resource in (_found(api, root) or {}).get("resources") or ():
        if resource["kind"] == kind and "/" not in resource["name"]:
            yield resource["name"]


def _found(api: client.ApiClient, path: str) -> Mapping[str, Any] | None:
    """What a path of the API has; None where there is nothing."""
    try:
        return get(api, path)
    except ApiError as missing:
        if missing.status != HTTPStatus.NOT_FOUND:
            raise
        return None
