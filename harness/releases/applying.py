# SPDX-License-Identifier: Apache-2.0
"""Applies manifests to a cluster as `kubectl apply --server-side` does, and waits until they can be relied on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from harness.errors import ApiError, UsageError
from harness.kube.api import get, read, send
from harness.late import client
from harness.releases.manifests import CRD, NAMESPACE, Document
from harness.waiting import Deadline, until

_MANAGER = "spark-operator-harness"
_MISTYPED = "failed to create typed patch object"
"""What the API server says, with status 500, of a field that has another type than its schema."""

_NO_ACCOUNT = "error looking up service account"
"""What the admission plugin ServiceAccount says before a controller has made the account of a new namespace."""

_APPLY = "application/apply-patch+yaml"
_DEFAULT = "default"
_FIRST = {CRD: 0, NAMESPACE: 1}
_LAST = (
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration"),
    *("MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding", "MutatingWebhookConfiguration"),
)
"""What decides about objects that come after it."""

_PROBE: Mapping[str, Any] = {
    "metadata": {"name": "harness-probe"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "probe",
                "image": "harness.invalid/probe",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
"""A pod that any namespace takes."""

WORKLOADS = ("Deployment", "DaemonSet", "StatefulSet", "Job", "Pod")


@dataclass(frozen=True, kw_only=True)
class Applied:
    """An object that was applied: what it is called, its path in the API, and the uid that it has."""

    name: str
    path: str
    uid: str


@dataclass
class Discovery:
    """Where the API server has which kinds; each version is asked for once."""

    api: client.ApiClient
    _known: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def path(self, it: Document) -> str:
        """The path of an object. Raises UsageError for a kind that the API server does not know."""
        base = f"/apis/{it.version}" if it.group else f"/api/{it.version}"
        resource = self._resources(it, base).get(it.kind)
        if resource is None:
            raise _unknown(it)
        namespace = f"/namespaces/{quote(it.namespace or _DEFAULT)}" if resource["namespaced"] else ""
        return f"{base}{namespace}/{resource['name']}/{quote(it.name)}"

    def _resources(self, it: Document, base: str) -> Mapping[str, Any]:
        if base not in self._known:
            try:
                listed = get(self.api, base)["resources"]
            except ApiError as missing:
                if missing.status != HTTPStatus.NOT_FOUND:
                    raise
                raise _unknown(it) from missing
            self._known[base] = {each["kind"]: each for each in listed if "/" not in each["name"]}
        return self._known[base]


def apply(api: client.ApiClient, documents: Sequence[Document], *, timeout: float) -> list[Applied]:
    """Apply all of them in an order that works, each once those before it are there, within `timeout` seconds.

    What decides about other objects comes last. Workloads are not waited for. Raises UsageError with the file for what
    the API server does not know or refuses, ApiError, and WaitTimeout.
    """
    deadline = Deadline(seconds=timeout)
    discovery = Discovery(api)
    applied: list[Applied] = []
    for stage in _stages(documents):
        paths = [(it, _applied(api, discovery, it)) for it in stage]
        for it, made in paths:
            if it.kind in _FIRST:
                _await(api, it, made.path, deadline)
        applied += [made for _, made in paths]
    return applied


def await_workloads(api: client.ApiClient, applied: Iterable[Applied], *, timeout: float) -> None:
    """Wait until Deployments, DaemonSets and StatefulSets among them have all their pods. Raises WaitTimeout."""
    deadline = Deadline(seconds=timeout)
    for it in applied:
        if it.name.split(" ")[0] in ("Deployment", "DaemonSet", "StatefulSet"):
            until(
                partial(_rolled_out, api, it.path),
                what=f"{it.name} to be rolled out",
                timeout=deadline.left,
                interval=0.5,
            )


def await_marks(api: client.ApiClient, namespaces: Iterable[str], marks: Sequence[str], *, timeout: float) -> None:
    """Wait until every pod that would be made in these namespaces gets these labels: policies have no status.

    Raises WaitTimeout, ApiError.
    """
    deadline = Deadline(seconds=timeout)
    for namespace in namespaces if marks else ():
        until(
            partial(_unmarked, api, namespace, marks),
            lambda missing: not missing,
            what=f"what decides about pods of {namespace} to be in force",
            timeout=deadline.left,
            interval=0.3,
        )


def _unmarked(api: client.ApiClient, namespace: str, marks: Sequence[str]) -> list[str]:
    """The marks that a pod would not get yet: none of them as long as a new namespace has no account for pods."""
    try:
        made = read(client.CoreV1Api(api).create_namespaced_pod, namespace, _PROBE, dry_run="All")
    except ApiError as refused:
        if refused.status == HTTPStatus.FORBIDDEN and _NO_ACCOUNT in refused.said:
            return list(marks)
        raise
    return [it for it in marks if it not in (made["metadata"].get("labels") or {})]


def _stages(documents: Sequence[Document]) -> list[list[Document]]:
    """CRDs and namespaces, then the rest, then what judges others; within each, the user's order."""
    first = sorted((it for it in documents if it.kind in _FIRST), key=lambda it: _FIRST[it.kind])
    last = [it for it in documents if it.kind in _LAST]
    rest = [it for it in documents if it not in first and it not in last]
    return [first, rest, last]


def _applied(api: client.ApiClient, discovery: Discovery, it: Document) -> Applied:
    path = discovery.path(it)
    try:
        answer = send(
            api, "PATCH", f"{path}?fieldManager={_MANAGER}&force=true", json.dumps(it.document), content_type=_APPLY
        )
    except ApiError as refused:
        if not refused.status or (refused.status >= HTTPStatus.INTERNAL_SERVER_ERROR and _MISTYPED not in refused.said):
            raise
        raise UsageError(
            f"{it.where}: the API server refused the {it}: {refused.said or refused.brief}", "correct that manifest"
        ) from refused
    return Applied(name=str(it), path=path, uid=answer["metadata"]["uid"])


def _await(api: client.ApiClient, it: Document, path: str, deadline: Deadline) -> None:
    what = f"the {it} to be {'established' if it.kind == CRD else 'Active'}"
    until(lambda: _ready(it.kind, get(api, path)), what=what, timeout=deadline.left, interval=0.1)


def _ready(kind: str, there: Mapping[str, Any]) -> bool:
    status = there.get("status") or {}
    if kind == NAMESPACE:
        return bool(status.get("phase") == "Active")
    conditions = status.get("conditions") or ()
    return any(it.get("type") == "Established" and it.get("status") == "True" for it in conditions)


def _rolled_out(api: client.ApiClient, path: str) -> bool:
    there = get(api, path)
    spec, status = there.get("spec") or {}, there.get("status") or {}
    if status.get("observedGeneration", 0) < there["metadata"].get("generation", 0):
        return False
    if there["kind"] == "DaemonSet":
        return bool(status.get("numberReady", 0) >= status.get("desiredNumberScheduled", 1))
    wanted = spec.get("replicas", 1)
    return bool(status.get("readyReplicas", 0) >= wanted and status.get("updatedReplicas", 0) >= wanted)


def _unknown(it: Document) -> UsageError:
    return UsageError(
        f"{it.where}: the API server does not know the kind {it.kind} of {it.version}",
        "add its CustomResourceDefinition to the folder, or write a version that this Kubernetes has",
    )
