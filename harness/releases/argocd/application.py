# SPDX-License-Identifier: Apache-2.0
"""One Application of Argo CD: created, changed, waited for, and what Argo CD says of it."""

from __future__ import annotations

import threading
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError, WaitTimeout
from harness.kube.api import get, send
from harness.late import client
from harness.releases.argocd.objects import NAMESPACE, REPOSITORY
from harness.waiting import Deadline, until

_APPLICATIONS = f"/apis/argoproj.io/v1alpha1/namespaces/{NAMESPACE}/applications"
_PATCH = "application/json-patch+json"
_OVER = ("Succeeded", "Failed", "Error")
_HOPELESS = ("ComparisonError", "InvalidSpecError")
"""Conditions under which Argo CD does not even begin a sync."""
_HOPELESS_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What Argo CD says of an Application: its own words.

    `sync` and `health` are statuses (Synced, Healthy), `revision` is the chart's version that it compares with, `phase`
    and `message` are those of its last operation, `operation` the version that this was for, and `failed` are the
    resources that could not be synced, `Kind/name: message`. `conditions` are `type: message`, `hooks` are hooks with
    their phase. `brought_deployments` says that the last operation synced Deployments, and failed at none of them.
    """

    sync: str = ""
    health: str = ""
    revision: str = ""
    phase: str = ""
    message: str = ""
    operation: str = ""
    failed: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    hooks: tuple[str, ...] = ()
    brought_deployments: bool = False

    def has_failed_at(self, version: str) -> bool:
        """Whether the last sync was for this version, and failed: Argo CD does not try it again by itself."""
        return self.operation == version and self.phase in _OVER[1:]

    @property
    def content(self) -> bool:
        """Whether it says that all is as it should be."""
        return self.sync == "Synced" and self.health == "Healthy" and self.phase == "Succeeded"

    def __str__(self) -> str:
        parts = [f"{self.sync or 'no sync status'}, {self.health or 'no health'}"]
        if self.phase:
            parts.append(f"sync of {self.operation or '?'} {self.phase}: {self.message}")
        return "; ".join([*parts, *self.conditions])


def create(api: client.ApiClient, document: Mapping[str, Any]) -> datetime:
    """Create an Application, and return when. Raises ApiError."""
    now = _second()
    send(api, "POST", _APPLICATIONS, document)
    return now


def change(api: client.ApiClient, document: Mapping[str, Any]) -> datetime:
    """Give an Application another source and another policy, as a commit to its repository would; returns when.

    Raises ApiError.
    """
    now = _second()
    spec = document["spec"]
    steps = [{"op": "replace", "path": f"/spec/{key}", "value": spec[key]} for key in ("source", "syncPolicy")]
    send(api, "PATCH", f"{_APPLICATIONS}/{document['metadata']['name']}", steps, content_type=_PATCH)
    return now


def sync(api: client.ApiClient, document: Mapping[str, Any]) -> None:
    """Begin a sync by hand, as `argocd app sync` does. Raises ApiError."""
    spec, name = document["spec"], document["metadata"]["name"]
    wanted = {"revision": spec["source"]["targetRevision"], "syncOptions": spec["syncPolicy"]["syncOptions"]}
    operation = {"initiatedBy": {"username": "harness"}, "retry": spec["syncPolicy"]["retry"]}
    step = {"op": "add", "path": "/operation", "value": {**operation, "sync": {**wanted, "prune": True}}}
    send(api, "PATCH", f"{_APPLICATIONS}/{name}", [step], content_type=_PATCH)


def read(api: client.ApiClient, name: str) -> Mapping[str, Any]:
    """The Application as it is. Raises ApiError."""
    return get(api, f"{_APPLICATIONS}/{name}")


def said(document: Mapping[str, Any]) -> Said:
    """What Argo CD says in an Application's status."""
    status = document.get("status") or {}
    operation = status.get("operationState") or {}
    result = operation.get("syncResult") or {}
    resources = result.get("resources") or ()
    return Said(
        sync=(status.get("sync") or {}).get("status", ""),
        revision=(status.get("sync") or {}).get("revision", ""),
        health=(status.get("health") or {}).get("status", ""),
        phase=operation.get("phase", ""),
        message=operation.get("message", ""),
        operation=result.get("revision", ""),
        failed=tuple(_of_resources(resources)),
        conditions=tuple(f"{it.get('type')}: {it.get('message')}" for it in status.get("conditions") or ()),
        hooks=tuple(
            f"{it.get('syncPhase') or it.get('hookType')} {it['kind']}/{it['name']}: {it.get('hookPhase')}"
            for it in resources
            if it.get("hookType")
        ),
        brought_deployments={it.get("status") for it in resources if it.get("kind") == "Deployment"} == {"Synced"},
    )


def await_sync(
    api: client.ApiClient,
    name: str,
    version: str,
    since: datetime,
    deadline: Deadline,
    stop: threading.Event | None = None,
) -> Said:
    """Wait until Argo CD has made what was asked for at `since` of the chart's `version`, or has given up.

    `stop` ends the wait. Raises WaitTimeout with what it says by then, and ApiError.
    """

    def look() -> tuple[bool, Said]:
        document = read(api, name)
        told = said(document)
        if stop is not None and stop.is_set():
            raise WaitTimeout(f"the sync was ended early; Argo CD said: {told}")
        return _over(document, version, since), told

    _, told = until(
        look, lambda it: it[0], what=f"Argo CD to sync {name} to {version}", timeout=deadline.left, interval=0.5
    )
    return told


def terminate(api: client.ApiClient, name: str) -> None:
    """End the sync that is running, if there is one, as `argocd app terminate-op` does. Raises ApiError."""
    if said(read(api, name)).phase == "Running":
        change = [{"op": "replace", "path": "/status/operationState/phase", "value": "Terminating"}]
        send(api, "PATCH", f"{_APPLICATIONS}/{name}", change, content_type=_PATCH)


def await_healthy(api: client.ApiClient, name: str, deadline: Deadline) -> Said:
    """Wait until Argo CD says that the Application is synced and healthy. Raises WaitTimeout, ApiError."""
    return until(
        lambda: said(read(api, name)),
        lambda it: it.content,
        what=f"Argo CD to find {name} healthy",
        timeout=deadline.left,
        interval=0.5,
    )


def delete(api: client.ApiClient, name: str, deadline: Deadline, *, cascade: bool = True) -> None:
    """Delete an Application, with what it manages where `cascade`, and wait until it is gone. Raises WaitTimeout."""
    if cascade:
        finalizers = [
            {"op": "add", "path": "/metadata/finalizers", "value": ["resources-finalizer.argocd.argoproj.io"]}
        ]
        send(api, "PATCH", f"{_APPLICATIONS}/{name}", finalizers, content_type=_PATCH)
    send(api, "DELETE", f"{_APPLICATIONS}/{name}")
    until(lambda: not exists(api, name), what=f"the Application {name} to be gone", timeout=deadline.left, interval=0.5)


def exists(api: client.ApiClient, name: str) -> bool:
    """Whether there is such an Application. Raises ApiError."""
    try:
        read(api, name)
    except ApiError as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


def repository(api: client.ApiClient) -> str:
    """The address of the repository that Argo CD was told. Raises ApiError."""
    secret = get(api, f"/api/v1/namespaces/{NAMESPACE}/secrets/{REPOSITORY}")
    return b64decode(secret["data"]["url"]).decode()


def _over(document: Mapping[str, Any], version: str, since: datetime) -> bool:
    status = document.get("status") or {}
    operation = status.get("operationState") or {}
    if _at(operation.get("startedAt")) >= since and "operation" not in document:
        revision = (operation.get("syncResult") or {}).get("revision") or _wanted(operation)
        if revision == version:
            return operation.get("phase") in _OVER
    sync = status.get("sync") or {}
    compared = ((sync.get("comparedTo") or {}).get("source") or {}).get("targetRevision")
    if _at(status.get("reconciledAt")) < since:
        return False
    if compared == version and sync.get("status") == "Synced" and "operation" not in document:
        # Nothing was to be done.
        return operation.get("phase") != "Running"
    hopeless = [it for it in status.get("conditions") or () if it.get("type") in _HOPELESS]
    return bool(hopeless) and (datetime.now(UTC) - since).total_seconds() > _HOPELESS_SECONDS


def _wanted(operation: Mapping[str, Any]) -> str:
    return str(((operation.get("operation") or {}).get("sync") or {}).get("revision", ""))


def _of_resources(resources: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for it in resources:
        if it.get("status") == "SyncFailed" or it.get("hookPhase") in ("Failed", "Error"):
            yield f"{it.get('kind')}/{it.get('name')}: {it.get('message', '')}"


def _second() -> datetime:
    """Now, as Argo CD notes it."""
    return datetime.now(UTC).replace(microsecond=0)


def _at(text: str | None) -> datetime:
    return datetime.fromisoformat(text) if text else datetime.min.replace(tzinfo=UTC)
