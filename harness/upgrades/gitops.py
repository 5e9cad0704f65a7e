# SPDX-License-Identifier: Apache-2.0
"""Argo CD after a move: what it says of the release, and whether it takes back what somebody changes by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.errors import ApiError, WaitTimeout
from harness.kube import reading
from harness.kube.api import get, listed, send
from harness.kube.cluster import Cluster
from harness.late import client
from harness.releases.argocd import application
from harness.releases.argocd.application import Said
from harness.releases.operator_seen import Unseen
from harness.releases.ways.protocol import InstalledRelease
from harness.waiting import Deadline, until

HEAL_SECONDS = 60.0
"""Argo CD looks again at once when an object changes, and syncs after at most a few seconds."""

_SETTLE_SECONDS = 60.0
_CONTROLLER = "controller"
_COMPONENT = "app.kubernetes.io/component"


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A value that was changed by hand behind Argo CD's back, and what came of it.

    `what` is the change. `seconds` is how long it stood; None when it still stood after HEAL_SECONDS, so that it was
    taken back by hand. `said` is what Argo CD said then.
    """

    what: str
    seconds: float | None
    said: Said


@dataclass(frozen=True, kw_only=True)
class GitOpsSeen:
    """What Argo CD says at the end of a move's soak, and the drift after it, which only the last move has."""

    said: Said
    drift: Drift | Unseen | None = None


def look(cluster: Cluster, installed: InstalledRelease, *, last: bool) -> GitOpsSeen | Unseen:
    """Ask Argo CD and, after the last move, have it heal. Raises Cancelled."""
    try:
        with cluster.api_client() as api:
            said = application.said(application.read(api, installed.name))
            return GitOpsSeen(said=said, drift=_drift(api, installed) if last else None)
    except ApiError as away:
        return Unseen(reason=f"Argo CD's Application could not be read: {away}")


def _drift(api: client.ApiClient, installed: InstalledRelease) -> Drift | Unseen:
    """One replica of the controller more, as somebody in a hurry scales it; the second waits for the lease."""
    apps = client.AppsV1Api(api)
    selector = f"app.kubernetes.io/instance={installed.name},{_COMPONENT}={_CONTROLLER}"
    found = [
        *map(reading.deployment, listed(apps.list_namespaced_deployment, installed.namespace, label_selector=selector))
    ]
    if len(found) != 1:
        return Unseen(reason=f"{len(found)} Deployments of the controller were found, so that none was scaled")
    name, wanted = found[0].name, found[0].replicas

    path = f"/apis/apps/v1/namespaces/{installed.namespace}/deployments/{name}/scale"

    def replicas() -> int:
        return int(get(api, path)["spec"].get("replicas", 0))

    def scale(number: int) -> None:
        send(api, "PATCH", path, {"spec": {"replicas": number}}, content_type="application/merge-patch+json")

    scale(wanted + 1)
    began = time.monotonic()
    what = f"Deployment {name} was scaled from {wanted} to {wanted + 1}"
    try:
        until(replicas, lambda it: it == wanted, what=f"Argo CD to heal {name}", timeout=HEAL_SECONDS, interval=0.1)
    except WaitTimeout:
        said = application.said(application.read(api, installed.name))
        scale(wanted)
        return Drift(what=what, seconds=None, said=said)
    took = time.monotonic() - began
    try:
        said = application.await_healthy(api, installed.name, Deadline(seconds=_SETTLE_SECONDS))
    except WaitTimeout:
        said = application.said(application.read(api, installed.name))
    return Drift(what=what, seconds=took, said=said)
