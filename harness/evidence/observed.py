# SPDX-License-Identifier: Apache-2.0
"""What is wrong with pods, Deployments and applications, as a summary says it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness import causes
from harness.kube import reading
from harness.kube.models import Container, Deployment, Ended, Event, Pod


@dataclass(frozen=True, kw_only=True)
class Application:
    """A SparkApplication, ScheduledSparkApplication or SparkConnect with its state."""

    kind: str
    namespace: str
    name: str
    state: str
    message: str


def deployments(listing: Mapping[str, Any]) -> list[Deployment]:
    """The Deployments of a list, in its order."""
    return [reading.deployment(item) for item in listing.get("items", [])]


def pods(listing: Mapping[str, Any]) -> list[Pod]:
    """The pods of a PodList, worst first."""
    found = [reading.pod(item) for item in listing.get("items", [])]
    return sorted(found, key=lambda pod: (severity(pod), pod.namespace, pod.name))


def events(listing: Mapping[str, Any]) -> list[Event]:
    """The events of an EventList, oldest first."""
    return reading.events(listing.get("items", []))


def applications(listing: Mapping[str, Any]) -> list[Application]:
    """The custom resources of a list, with their status."""
    found = []
    for item in listing.get("items", []):
        status = item.get("status") or {}
        state = status.get("applicationState") or {}
        found.append(
            Application(
                kind=item.get("kind", ""),
                namespace=item["metadata"].get("namespace", ""),
                name=item["metadata"]["name"],
                state=state.get("state") or status.get("scheduleState") or status.get("state") or "(no state)",
                message=causes.told(state.get("errorMessage") or status.get("reason") or "", ""),
            )
        )
    return found


def problems(pod: Pod) -> list[str]:
    """What is wrong with a pod: that it has no node, its own reason, and why containers do not run."""
    return list(_problems(pod))


def _problems(pod: Pod) -> Iterator[str]:
    if pod.unscheduled_reason or pod.unscheduled_message:
        yield f"not scheduled: {pod.unscheduled_message or pod.unscheduled_reason}"
    if pod.reason or pod.message:
        yield ": ".join(filter(None, (pod.reason, pod.message)))
    for container in pod.containers:
        if said := _problem(container):
            yield f"{container.name}: {said}"


def healthy(pod: Pod) -> bool:
    """Whether it is ready, or finished well, and never restarted."""
    return not problems(pod) and not pod.restarts and (pod.ready or pod.phase == "Succeeded")


def severity(pod: Pod) -> int:
    """For sorting, worst first: failed or not ready, restarted, pending, healthy."""
    if healthy(pod):
        return 3
    if pod.phase == "Pending" and not pod.restarts:
        return 2
    return 1 if pod.ready else 0


def complaints(deployment: Deployment) -> list[str]:
    """What the conditions of a Deployment complain of."""
    return [
        ": ".join(filter(None, (it.reason, it.message)))
        for it in deployment.conditions
        if (it.type == "ReplicaFailure") == (it.status == "True")
    ]


def _problem(container: Container) -> str:
    """Why a container is not running; empty when it is or has completed."""
    waits = ": ".join(filter(None, (container.reason, container.message))) if container.waits else ""
    now = waits or _in_words(container.ended)
    return "; previously ".join(filter(None, (now, _in_words(container.last))))


def _in_words(ended: Ended | None) -> str:
    if ended is None or ended.exit_code == 0:
        return ""
    why = ": ".join(filter(None, (ended.reason, ended.message)))
    return f"exited with code {ended.exit_code}" + (f" ({why})" if why else "")


_ERROR_LINE = re.compile(
    r"""\tERROR\t|"level":\s*"error"|\blevel=error\b|\bERROR\s|\bpanic:|\bfatal\ error:|Exception\b"""
    r"""|^(?:\d{4}-\d\d-\d\dT\S+\s)?[EF]\d{4}\s""",
    re.VERBOSE,
)


def error_lines(log: str, limit: int = 10) -> list[str]:
    """The last lines of a log that report an error in the format of zap, klog, Go's runtime or Java."""
    return [line for line in log.splitlines() if _ERROR_LINE.search(line)][-limit:]
