# SPDX-License-Identifier: Apache-2.0
"""Pods, events and applications from the API server, reduced to what a summary needs.

Field names are those of the core/v1 and sparkoperator.k8s.io APIs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a pod. `problem` says why it is not running; empty when it is or has completed."""

    name: str
    restarts: int
    problem: str
    has_previous: bool


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod with descriptions of its problems."""

    namespace: str
    name: str
    phase: str
    ready: bool
    containers: tuple[Container, ...]
    problems: tuple[str, ...]

    @property
    def restarts(self) -> int:
        """Of all its containers."""
        return sum(container.restarts for container in self.containers)

    @property
    def healthy(self) -> bool:
        """Ready or succeeded, and never restarted."""
        return not self.problems and not self.restarts and (self.ready or self.phase == "Succeeded")

    @property
    def severity(self) -> int:
        """For sorting, worst first: failed or not ready, restarted, pending, healthy."""
        if self.healthy:
            return 3
        if self.phase == "Pending" and not self.restarts:
            return 2
        return 1 if self.ready else 0


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event. `at` is when it was last seen."""

    at: str
    type: str
    reason: str
    about: str
    message: str
    count: int

    def __str__(self) -> str:
        times = f" (×{self.count})" if self.count > 1 else ""
        return f"{self.at}  {self.type:<7}  {self.reason:<24}  {self.about}{times}  {self.message}"


@dataclass(frozen=True, kw_only=True)
class Application:
    """A SparkApplication, ScheduledSparkApplication or SparkConnect with its state."""

    kind: str
    namespace: str
    name: str
    state: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A Deployment. `problems` come from its conditions."""

    namespace: str
    name: str
    wanted: int
    ready: int
    problems: tuple[str, ...]


def deployments(listing: Mapping[str, Any]) -> list[Deployment]:
    """The Deployments of a list, in its order."""
    return [_deployment(item) for item in listing.get("items", [])]


def pods(listing: Mapping[str, Any]) -> list[Pod]:
    """The pods of a PodList, worst first."""
    found = [_pod(item) for item in listing.get("items", [])]
    return sorted(found, key=lambda pod: (pod.severity, pod.namespace, pod.name))


def events(listing: Mapping[str, Any]) -> list[Event]:
    """The events of an EventList, oldest first."""
    return sorted((_event(item) for item in listing.get("items", [])), key=lambda event: event.at)


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
                message=state.get("errorMessage") or status.get("reason") or "",
            )
        )
    return found


def _pod(item: Mapping[str, Any]) -> Pod:
    status = item.get("status") or {}
    phase = status.get("phase", "Unknown")
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    statuses = {
        entry["name"]: entry
        for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses")
        for entry in status.get(key) or []
    }
    spec = item.get("spec") or {}
    names = [entry["name"] for key in ("initContainers", "containers") for entry in spec.get(key) or []]
    containers = tuple(_container(name, statuses.get(name) or {}) for name in names)
    problems = [f"{container.name}: {container.problem}" for container in containers if container.problem]
    if status.get("reason") or status.get("message"):
        problems.insert(0, ": ".join(filter(None, (status.get("reason"), status.get("message")))))
    scheduled = conditions.get("PodScheduled") or {}
    if scheduled.get("status") == "False":
        problems.insert(0, f"not scheduled: {scheduled.get('message') or scheduled.get('reason')}")
    return Pod(
        namespace=item["metadata"].get("namespace", ""),
        name=item["metadata"]["name"],
        phase=phase,
        ready=(conditions.get("Ready") or {}).get("status") == "True",
        containers=containers,
        problems=tuple(problems),
    )


def _deployment(item: Mapping[str, Any]) -> Deployment:
    status = item.get("status") or {}
    wanted = (item.get("spec") or {}).get("replicas")
    complaints = [
        condition
        for condition in status.get("conditions") or []
        if (condition["type"] == "ReplicaFailure") == (condition["status"] == "True")
    ]
    return Deployment(
        namespace=item["metadata"].get("namespace", ""),
        name=item["metadata"]["name"],
        wanted=1 if wanted is None else int(wanted),
        ready=int(status.get("readyReplicas") or 0),
        problems=tuple(
            ": ".join(filter(None, (condition.get("reason"), condition.get("message")))) for condition in complaints
        ),
    )


def _container(name: str, status: Mapping[str, Any]) -> Container:
    problem = ""
    state = status.get("state") or {}
    if waiting := state.get("waiting"):
        problem = ": ".join(filter(None, (waiting.get("reason"), waiting.get("message"))))
    elif ended := state.get("terminated"):
        problem = _ended(ended)
    last = (status.get("lastState") or {}).get("terminated")
    if last and _ended(last):
        problem = "; previously ".join(filter(None, (problem, _ended(last))))
    return Container(
        name=name,
        restarts=int(status.get("restartCount") or 0),
        problem=problem,
        has_previous=bool(last),
    )


def _ended(terminated: Mapping[str, Any]) -> str:
    code = terminated.get("exitCode", 0)
    if code == 0:
        return ""
    why = ": ".join(filter(None, (terminated.get("reason"), (terminated.get("message") or "").strip())))
    return f"exited with code {code}" + (f" ({why})" if why else "")


def _event(item: Mapping[str, Any]) -> Event:
    series = item.get("series") or {}
    about = item.get("involvedObject") or {}
    at = (
        series.get("lastObservedTime")
        or item.get("lastTimestamp")
        or item.get("eventTime")
        or item["metadata"].get("creationTimestamp", "")
    )
    return Event(
        at=str(at or ""),
        type=item.get("type") or "Normal",
        reason=item.get("reason") or "",
        about=f"{about.get('kind', '')}/{about.get('name', '')}",
        message=" ".join(str(item.get("message") or "").split()),
        count=int(series.get("count") or item.get("count") or 1),
    )


_ERROR_LINE = re.compile(
    r"""\tERROR\t|"level":\s*"error"|\blevel=error\b|\bERROR\s|\bpanic:|\bfatal\ error:|Exception\b"""
    r"""|^(?:\d{4}-\d\d-\d\dT\S+\s)?[EF]\d{4}\s""",
    re.VERBOSE,
)


def error_lines(log: str, limit: int = 10) -> list[str]:
    """The last lines of a log that report an error in the format of zap, klog, Go's runtime or Java."""
    return [line for line in log.splitlines() if _ERROR_LINE.search(line)][-limit:]
