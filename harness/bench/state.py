# SPDX-License-Identifier: Apache-2.0
"""A picture of a cluster that can be compared with a later one: it proves that a change was undone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.kube.api import get
from harness.kube.well_known import CRDS_PATH
from harness.late import client

_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_OF_ALL = (
    "/api/v1/namespaces",
    "/api/v1/nodes",
    CRDS_PATH,
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    f"{_ADMISSION}/mutatingwebhookconfigurations",
    f"{_ADMISSION}/validatingwebhookconfigurations",
    f"{_RBAC}/clusterroles",
    f"{_RBAC}/clusterrolebindings",
)
_OF_NAMESPACE = (
    "/api/v1/namespaces/{}/configmaps",
    "/api/v1/namespaces/{}/secrets",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/api/v1/namespaces/{}/services",
    "/api/v1/namespaces/{}/limitranges",
    "/apis/apps/v1/namespaces/{}/deployments",
    "/apis/batch/v1/namespaces/{}/jobs",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "/apis/sparkoperator.k8s.io/v1beta2/namespaces/{}/sparkapplications",
    "/apis/sparkoperator.k8s.io/v1beta2/namespaces/{}/scheduledsparkapplications",
    f"{_RBAC}/namespaces/{{}}/roles",
    f"{_RBAC}/namespaces/{{}}/rolebindings",
)
_PODS = "/api/v1/namespaces/{}/pods"

# What changes by itself, or with every change that is taken back.
_OF_METADATA = ("name", "namespace", "labels", "annotations", "finalizers")
_ANNOTATIONS = ("deployment.kubernetes.io/revision", "control-plane.alpha.kubernetes.io/leader")
_HELM = "sh.helm.release.v1."

Picture = Mapping[str, str]
"""Path → digest of the object, and `pods of NAMESPACE` → their owners, each with how many of its pods are ready."""


def look(api: client.ApiClient, namespaces: Sequence[str]) -> Picture:
    """Look at the cluster, and at these namespaces. Raises ApiError."""
    paths = [*_OF_ALL, *(it.format(namespace) for namespace in namespaces for it in _OF_NAMESPACE)]
    found = {
        f"{path}/{item['metadata']['name']}": digest(item)
        for path in paths
        for item in get(api, path).get("items") or ()
        if not item["metadata"]["name"].startswith(_HELM)
    }
    for namespace in namespaces:
        found[f"pods of {namespace}"] = _pods(get(api, _PODS.format(namespace)).get("items") or ())
    return found


def differences(before: Picture, after: Picture) -> list[str]:
    """What differs, in words."""
    came = [f"{it} came" for it in after if it not in before]
    went = [f"{it} is gone" for it in before if it not in after]
    return [*came, *went, *(f"{it} differs" for it in before if it in after and before[it] != after[it])]


def digest(item: Mapping[str, Any]) -> str:
    """The part of an object that people decide on, as a digest."""
    metadata = {key: item["metadata"][key] for key in _OF_METADATA if item["metadata"].get(key)}
    if notes := {key: it for key, it in metadata.get("annotations", {}).items() if key not in _ANNOTATIONS}:
        metadata["annotations"] = notes
    else:
        metadata.pop("annotations", None)
    rest = {key: value for key, value in item.items() if key not in ("metadata", "status", "apiVersion", "kind")}
    phase = (item.get("status") or {}).get("phase", "")
    text = json.dumps([metadata, rest, phase], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _pods(items: Sequence[Mapping[str, Any]]) -> str:
    """How many pods each Deployment or other owner has, and whether each is ready and never restarted."""
    counted: dict[str, int] = {}
    for item in items:
        owners = item["metadata"].get("ownerReferences") or [{"kind": "Pod", "name": item["metadata"]["name"]}]
        # A ReplicaSet's name is its Deployment's and a hash, which a change and its return need not leave alone.
        owner = owners[0]["name"].rpartition("-")[0] if owners[0]["kind"] == "ReplicaSet" else owners[0]["name"]
        key = f"{owners[0]['kind']}/{owner}: {_health(item)}"
        counted[key] = counted.get(key, 0) + 1
    return ", ".join(f"{number} {key}" for key, number in sorted(counted.items()))


def _health(pod: Mapping[str, Any]) -> str:
    if pod["metadata"].get("deletionTimestamp"):
        return "leaving"
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    fine = bool(statuses) and all(it["ready"] and not it["restartCount"] for it in statuses)
    return "fine" if fine else "not fine"
