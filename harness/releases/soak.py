# SPDX-License-Identifier: Apache-2.0
"""Watches an installed operator and its applications for a while: restarts, pods that go away, what metrics count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.cluster import Cluster
from harness.errors import HarnessError, WaitTimeout
from harness.kube.api_errors import api_errors
from harness.late import client, urllib3
from harness.releases import metrics, seen
from harness.releases.install import InstalledRelease
from harness.waiting import watch_until


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What a watch over the operator's pods saw: pod → highest count of restarts; pods that went away."""

    seconds: float
    restarts: Mapping[str, int]
    gone: tuple[str, ...] = ()


def operator(cluster: Cluster, namespace: str, seconds: float) -> Soak | str:
    """Watch the operator's pods. A text says why that was not possible."""
    restarts: dict[str, int] = {}
    gone: list[str] = []
    with cluster.api_client() as api:

        def on_pod(event: str, item: Any) -> None:
            pod = seen.pod(seen.plain(api, item))
            # One that was leaving already when it was first seen belongs to the release of before.
            if pod.leaving and pod.name not in restarts:
                return
            if not pod.owner.startswith("Job/"):
                restarts[pod.name] = max(pod.restarts, restarts.get(pod.name, 0))
                if event == "DELETED":
                    gone.append(pod.name)

        trouble = _watch(client.CoreV1Api(api).list_namespaced_pod, on_pod, seconds, namespace=namespace)
    return trouble or Soak(seconds=seconds, restarts=restarts, gone=tuple(gone))


def applications(cluster: Cluster, installed: InstalledRelease, seconds: float, moments: metrics.Moments) -> str:
    """Watch the applications in the job namespaces. Returns why that was not possible, or an empty text."""
    with cluster.api_client() as api:

        def on_application(event: str, item: Any) -> None:
            if item["metadata"]["namespace"] in installed.job_namespaces:
                (moments.gone if event == "DELETED" else moments.application)(item)

        return _watch(
            client.CustomObjectsApi(api).list_cluster_custom_object,
            on_application,
            seconds,
            group="sparkoperator.k8s.io",
            version="v1beta2",
            plural="sparkapplications",
        )


def executors(cluster: Cluster, installed: InstalledRelease, seconds: float, moments: metrics.Moments) -> str:
    """Watch the executors in the job namespaces. Returns why that was not possible, or an empty text."""
    with cluster.api_client() as api:

        def on_executor(event: str, item: Any) -> None:
            if item.metadata.namespace in installed.job_namespaces:
                (moments.gone if event == "DELETED" else moments.executor)(seen.plain(api, item))

        return _watch(
            client.CoreV1Api(api).list_pod_for_all_namespaces,
            on_executor,
            seconds,
            label_selector="sparkoperator.k8s.io/launched-by-spark-operator=true,spark-role=executor",
        )


def _watch(call: Callable[..., Any], on_event: Callable[[str, Any], None], seconds: float, **options: Any) -> str:
    """Watch until time is up. Returns why that was not possible, or an empty text."""
    try:
        watch_until(call, on_event, what="the end of the soak", timeout=seconds, describe=lambda item: "", **options)
    except WaitTimeout as ended:
        # Time that is up is how a soak ends; only a server that was away at the end leaves words here.
        return ended.last_seen if ended.last_seen.startswith("API server") else ""
    except api_errors() as failed:
        return reason(failed)
    return ""


def reason(failed: BaseException) -> str:
    """Why the API server could not be asked, in a few words."""
    if isinstance(failed, client.ApiException):
        return f"the API server answered {failed.status} {failed.reason}"
    if isinstance(failed, urllib3.exceptions.HTTPError):
        # urllib3 wraps what happened into the address and the count of its attempts.
        return f"the API server is away: {getattr(failed, 'reason', None) or failed}"
    return failed.message if isinstance(failed, HarnessError) else f"{type(failed).__name__}: {failed}"
