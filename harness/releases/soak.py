# SPDX-License-Identifier: Apache-2.0
"""Watches an installed operator and its applications for a while: restarts, pods that go away, what metrics count."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.kube import reading
from harness.kube.cluster import Cluster
from harness.kube.watching import watch_until
from harness.late import client
from harness.releases import metrics
from harness.releases.own_containers import own_restarts
from harness.releases.ways.protocol import InstalledRelease

_APPLICATIONS = {"group": "sparkoperator.k8s.io", "version": "v1beta2", "plural": "sparkapplications"}
PATIENCE = 60.0
"""Seconds that a busy machine may take until a scenario has created its application, of which metrics can tell."""

_WINDOW = 2
"""Seconds within which a watch hears that it is enough."""

_EXECUTORS = {"label_selector": "sparkoperator.k8s.io/launched-by-spark-operator=true,spark-role=executor"}


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What a watch over the operator's pods saw: pod → highest count of restarts of its own containers; pods that went
    away; `beside` → the same count of pods with the containers that somebody put beside its own, where there were some.
    """

    seconds: float
    restarts: Mapping[str, int]
    gone: tuple[str, ...] = ()
    beside: Mapping[str, int] = field(default_factory=dict)


def never() -> bool:
    """What a watch that lasts its whole time is told: it has not seen enough."""
    return False


def operator(cluster: Cluster, namespace: str, seconds: float, enough: Callable[[], bool] = never) -> Soak | str:
    """Watch the operator's pods until time is up, or until that is `enough`. A text says why that was not possible."""
    began = time.monotonic()
    restarts: dict[str, int] = {}
    beside: dict[str, int] = {}
    gone: list[str] = []
    with cluster.api_client() as api:

        def on_pod(event: str, item: Any) -> None:
            pod = reading.pod(item)
            # One that was leaving already when it was first seen belongs to the release of before.
            if pod.leaving and pod.name not in restarts:
                return
            if not pod.owner.startswith("Job/"):
                restarts[pod.name] = max(own_restarts(pod), restarts.get(pod.name, 0))
                if others := pod.restarts - own_restarts(pod):
                    beside[pod.name] = max(others, beside.get(pod.name, 0))
                if event == "DELETED":
                    gone.append(pod.name)

        trouble = _watch(client.CoreV1Api(api).list_namespaced_pod, on_pod, seconds, enough, namespace=namespace)
    watched = min(seconds, time.monotonic() - began)
    return trouble or Soak(seconds=watched, restarts=restarts, gone=tuple(gone), beside=beside)


def reported(
    cluster: Cluster,
    installed: InstalledRelease,
    seconds: float,
    moments: metrics.Moments,
    of: Literal["applications", "executors"],
    enough: Callable[[], bool] = never,
    patience: float = 0.0,
) -> str:
    """Watch what metrics count in the job namespaces, as `operator` does.

    While nothing was seen, it is watched for up to `patience` seconds more. Returns why that was not possible, or an
    empty text.
    """
    began = time.monotonic()

    def over() -> bool:
        return enough() or (time.monotonic() - began >= seconds and bool(moments.seen))

    with cluster.api_client() as api:
        watched: tuple[Callable[..., Any], Mapping[str, str], Callable[[Any], None]] = (
            (client.CustomObjectsApi(api).list_cluster_custom_object, _APPLICATIONS, moments.application)
            if of == "applications"
            else (client.CoreV1Api(api).list_pod_for_all_namespaces, _EXECUTORS, moments.executor)
        )
        call, options, changed = watched

        def on_event(event: str, item: Any) -> None:
            if item["metadata"]["namespace"] in installed.job_namespaces:
                (moments.gone if event == "DELETED" else changed)(item)

        return _watch(call, on_event, seconds + patience, over, **options)


def _watch(
    call: Callable[..., Any],
    on_event: Callable[[str, Any], None],
    seconds: float,
    enough: Callable[[], bool],
    **options: Any,
) -> str:
    """Watch until time is up or that is enough. Returns why that was not possible, or an empty text."""
    try:
        watch_until(
            call,
            on_event,
            what="the end of the soak",
            timeout=seconds,
            describe=lambda item: "",
            hopeless=lambda: "that is enough" if enough() else "",
            window=_WINDOW,
            **options,
        )
    except WaitTimeout as ended:
        # Time that is up is how a soak ends; only a server that was away at the end leaves words here.
        return ended.last_seen if ended.last_seen.startswith("API server") else ""
    except ApiError as failed:
        return reason(failed)
    return ""


def reason(failed: BaseException) -> str:
    """Why the API server could not be asked, in a few words."""
    return failed.message if isinstance(failed, HarnessError) else f"{type(failed).__name__}: {failed}"
