# SPDX-License-Identifier: Apache-2.0
"""What an API server says about an operator's objects, as frozen dataclasses made from its JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_REVISION = "deployment.kubernetes.io/revision"


@dataclass(frozen=True, kw_only=True)
class ContainerSeen:
    """A container of a pod. `state` is `running`, `waiting`, `terminated` or empty; `reason`, `message` explain it.

    `image` is what the pod asks for, `image_id` what the node says that it runs. `last_exit` tells how the run before
    ended, when there was one. `restarts` counts how often it ran again: when the runtime could not make a container
    and the kubelet tried once more (StartError), nothing had run.
    """

    name: str
    image: str
    image_id: str = ""
    init: bool = False
    ready: bool = False
    restarts: int = 0
    state: str = ""
    reason: str = ""
    message: str = ""
    last_exit: str = ""


@dataclass(frozen=True, kw_only=True)
class PodSeen:
    """A pod. `owner` is its controller as `ReplicaSet/name`; `unschedulable` is the scheduler's message, if any."""

    name: str
    uid: str
    owner: str
    phase: str
    containers: tuple[ContainerSeen, ...]
    unschedulable: str = ""
    leaving: bool = False

    @property
    def restarts(self) -> int:
        """Restarts of all containers."""
        return sum(container.restarts for container in self.containers)


@dataclass(frozen=True, kw_only=True)
class DeploymentSeen:
    """A Deployment with its newest ReplicaSet. `arguments` are those of its first container."""

    name: str
    replicas: int
    updated: int
    available: int
    total: int
    current: bool
    newest_replica_set: str
    arguments: tuple[str, ...]
    conditions: tuple[str, ...] = ()

    @property
    def rolled_out(self) -> bool:
        """Whether every pod is of the newest template, available, and no older one is left."""
        return self.current and self.updated == self.available == self.total == self.replicas > 0

    def flag(self, name: str) -> str:
        """The value of a `--name=value` argument, or empty."""
        start = f"--{name}="
        return next((it.removeprefix(start) for it in self.arguments if it.startswith(start)), "")


@dataclass(frozen=True, kw_only=True)
class LeaseSeen:
    """A leader election lease. `holder` is the pod's name (its identity without the random part)."""

    name: str
    deployment: str
    holder: str
    identity: str
    transitions: int
    age: float
    """Seconds since it was renewed."""
    duration: int
    acquired: float = float("-inf")
    """When this holder got it, in epoch seconds; without a time, before anything else."""


@dataclass(frozen=True, kw_only=True)
class CrdSeen:
    """A CustomResourceDefinition in the cluster."""

    name: str
    established: bool
    spec: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class LogSeen:
    """The log of one container, of its present run or the one before."""

    pod: str
    container: str
    text: str
    previous: bool = False


def listed(call: Callable[..., Any], *arguments: Any, timeout: float, **options: Any) -> list[dict[str, Any]]:
    """The items of a list call as plain JSON, which is what the server said and cheaper than the client's models."""
    response = call(*arguments, _preload_content=False, _request_timeout=timeout, **options)
    return list(json.loads(response.data)["items"])


def plain(api: Any, model: Any) -> Mapping[str, Any]:
    """A model of the client, as watches bring them, as the JSON that it came from."""
    return dict(api.sanitize_for_serialization(model))


def pod(item: Mapping[str, Any]) -> PodSeen:
    """A pod from its JSON."""
    spec, status, metadata = item["spec"], item.get("status", {}), item["metadata"]
    statuses = {
        it["name"]: it for key in ("initContainerStatuses", "containerStatuses") for it in status.get(key) or []
    }
    containers = [
        _container(it, statuses.get(it["name"], {}), init=init)
        for key, init in (("initContainers", True), ("containers", False))
        for it in spec.get(key) or []
    ]
    owner: Mapping[str, Any] = next((it for it in metadata.get("ownerReferences") or [] if it.get("controller")), {})
    scheduled: Mapping[str, Any] = next(
        (it for it in status.get("conditions") or [] if it["type"] == "PodScheduled"), {}
    )
    return PodSeen(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        owner=f"{owner['kind']}/{owner['name']}" if owner else "",
        phase=status.get("phase", ""),
        containers=tuple(containers),
        unschedulable=scheduled.get("message", "") if scheduled.get("reason") == "Unschedulable" else "",
        leaving=bool(metadata.get("deletionTimestamp")),
    )


def deployment(item: Mapping[str, Any], replica_sets: Iterable[Mapping[str, Any]]) -> DeploymentSeen:
    """A Deployment from its JSON and that of its namespace's ReplicaSets."""
    spec, status, metadata = item["spec"], item.get("status", {}), item["metadata"]
    own = [
        it
        for it in replica_sets
        if any(ref.get("uid") == metadata["uid"] for ref in it["metadata"].get("ownerReferences") or [])
    ]
    newest = max(own, key=lambda it: int(it["metadata"].get("annotations", {}).get(_REVISION, 0)), default=None)
    container = spec["template"]["spec"]["containers"][0]
    return DeploymentSeen(
        name=metadata["name"],
        replicas=spec.get("replicas", 1),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        current=status.get("observedGeneration", 0) >= metadata.get("generation", 0),
        newest_replica_set=newest["metadata"]["name"] if newest else "",
        arguments=tuple(container.get("args") or ()),
        conditions=tuple(
            f"{it['type']}={it['status']}: {it.get('message', '')}" for it in status.get("conditions") or []
        ),
    )


def lease(item: Mapping[str, Any], deployment_name: str, now: datetime) -> LeaseSeen:
    """A Lease from its JSON. controller-runtime's identity is `<pod>_<uuid>`."""
    spec = item.get("spec", {})
    identity = spec.get("holderIdentity") or ""
    renewed = spec.get("renewTime")
    age = (now - datetime.fromisoformat(renewed)).total_seconds() if renewed else float("inf")
    acquired = spec.get("acquireTime")
    return LeaseSeen(
        name=item["metadata"]["name"],
        deployment=deployment_name,
        holder=identity.rsplit("_", 1)[0],
        identity=identity,
        transitions=spec.get("leaseTransitions") or 0,
        age=age,
        duration=spec.get("leaseDurationSeconds") or 0,
        acquired=datetime.fromisoformat(acquired).timestamp() if acquired else float("-inf"),
    )


def crd(item: Mapping[str, Any]) -> CrdSeen:
    """A CustomResourceDefinition from its JSON."""
    conditions: Sequence[Mapping[str, Any]] = item.get("status", {}).get("conditions") or []
    return CrdSeen(
        name=item["metadata"]["name"],
        established=any(it["type"] == "Established" and it["status"] == "True" for it in conditions),
        spec=item["spec"],
    )


def _container(spec: Mapping[str, Any], status: Mapping[str, Any], *, init: bool) -> ContainerSeen:
    states: Mapping[str, Any] = status.get("state") or {}
    state = next(iter(states), "")
    detail: Mapping[str, Any] = states.get(state) or {}
    last = (status.get("lastState") or {}).get("terminated")
    return ContainerSeen(
        name=spec["name"],
        image=spec["image"],
        image_id=status.get("imageID", ""),
        init=init,
        ready=bool(status.get("ready")),
        restarts=max(0, status.get("restartCount", 0) - ((last or {}).get("reason") == "StartError")),
        state=state,
        reason=detail.get("reason") or "",
        message=detail.get("message") or "",
        last_exit=f"exit {last.get('exitCode')} ({last.get('reason', '')})" if last else "",
    )
