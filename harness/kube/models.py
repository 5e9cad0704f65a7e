# SPDX-License-Identifier: Apache-2.0
"""What an API server says of the objects that the harness looks at, as frozen dataclasses.

harness/kube/reading.py makes them from the server's JSON. Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from harness.kube.amounts import amount_or_zero

EPOCH = datetime.fromtimestamp(0, UTC)
"""The time of what has none: before everything."""


def quantity(text: str) -> int:
    """A Kubernetes quantity of bytes, `1408Mi`, as a number; 0 for what is none."""
    return int(amount_or_zero(text))


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a run of a container ended."""

    exit_code: int
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"exit {self.exit_code} ({self.reason})"


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container of a pod. `state` is `running`, `waiting`, `terminated` or empty; `reason`, `message` explain it.

    `image` is what the pod asks for. `reported` and `image_id` are what the node reports: of all names of the same
    content that it has, the first in the alphabet, whose registry and digest may be others than those of `image`
    (what it runs, tells harness/kube/node_records.py). `runtime_id` is the container's id in the node's runtime.
    `ended` is how this run ended, `last` how the one before it did. `restarts` counts how often it ran again: when
    the runtime could not make a container and the kubelet tried once more (StartError), nothing had run. `requests`
    and `limits` are the specification's, `allocated` what the kubelet reports to have given
    (`status.containerStatuses[].resources`; empty where Kubernetes does not report it). `config_maps` are those whose
    keys are in its environment, `mounts` volume → path, `security` its securityContext.
    """

    name: str
    image: str
    reported: str = ""
    image_id: str = ""
    runtime_id: str = ""
    init: bool = False
    ready: bool = False
    restarts: int = 0
    state: str = ""
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    ended: Ended | None = None
    last: Ended | None = None
    requests: Mapping[str, str] = field(default_factory=dict, hash=False)
    limits: Mapping[str, str] = field(default_factory=dict, hash=False)
    allocated: Mapping[str, str] = field(default_factory=dict, hash=False)
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)
    config_maps: tuple[str, ...] = ()
    mounts: Mapping[str, str] = field(default_factory=dict, hash=False)
    security: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def waits(self) -> bool:
        """Whether it waits to be started."""
        return self.state == "waiting"

    @property
    def last_exit(self) -> str:
        """How the run before ended, in words; empty when there was none."""
        return str(self.last) if self.last else ""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """A pod. `owner` is its controller as `ReplicaSet/name`, `owners` are all that own it.

    `reason` and `message` are the pod's own (`Evicted`); `unscheduled_reason` and `unscheduled_message` are why it has
    no node, both empty once it has. `leaving` is whether it is being deleted, `security` its securityContext.
    """

    name: str
    uid: str
    namespace: str = ""
    owner: str = ""
    owners: tuple[str, ...] = ()
    phase: str = ""
    reason: str = ""
    message: str = ""
    ready: bool = False
    node: str = ""
    service_account: str = ""
    labels: Mapping[str, str] = field(default_factory=dict, hash=False)
    annotations: Mapping[str, str] = field(default_factory=dict, hash=False)
    created: datetime = EPOCH
    containers: tuple[Container, ...] = ()
    unscheduled_reason: str = ""
    unscheduled_message: str = ""
    leaving: bool = False
    security: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def restarts(self) -> int:
        """Restarts of all containers."""
        return sum(container.restarts for container in self.containers)

    @property
    def waiting_containers(self) -> tuple[Container, ...]:
        """Those that wait to be started."""
        return tuple(container for container in self.containers if container.waits)

    @property
    def memory(self) -> int:
        """Bytes that its containers request."""
        return sum(quantity(it.requests.get("memory", "0")) for it in self.containers if not it.init)

    @property
    def unschedulable(self) -> str:
        """The scheduler's message when it finds no node; empty otherwise."""
        return self.unscheduled_message if self.unscheduled_reason == "Unschedulable" else ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event, which happened `count` times, at last at the time `at`. `about` is `Kind/name`; `kind` is its type,
    `Normal` or `Warning`; `first` is when it happened for the first time.
    """

    reason: str
    about: str
    message: str
    kind: str = "Normal"
    at: datetime = EPOCH
    first: datetime = EPOCH
    count: int = 1

    @property
    def time(self) -> str:
        """When it happened at last, as the API writes times."""
        return "" if self.at is EPOCH else f"{self.at:%Y-%m-%dT%H:%M:%SZ}"

    def __str__(self) -> str:
        times = f" (×{self.count})" if self.count > 1 else ""
        return f"{self.time}  {self.kind:<7}  {self.reason:<24}  {self.about}{times}  {self.message}"


def by_object(events: Iterable[Event]) -> dict[str, list[Event]]:
    """`Kind/name` → the events about it, in their order."""
    found: dict[str, list[Event]] = {}
    for event in events:
        found.setdefault(event.about, []).append(event)
    return found


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node. `pressures` are conditions like `MemoryPressure: …` that are true; `memory` is allocatable bytes."""

    name: str
    ready: bool
    why: str
    pressures: tuple[str, ...]
    memory: int


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A condition of an object."""

    type: str
    status: str
    reason: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.type}={self.status}: {self.message}"


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A Deployment with its newest ReplicaSet. `arguments` are those of the container of its name,
    else of the first; `images` are what the containers of its template ask for, by their names."""

    name: str
    namespace: str = ""
    generation: int = 0
    replicas: int
    updated: int
    available: int
    total: int
    ready: int = 0
    current: bool
    newest_replica_set: str
    arguments: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    images: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def rolled_out(self) -> bool:
        """Whether every pod is of the newest template, available, and no older one is left."""
        return self.current and self.updated == self.available == self.total == self.replicas > 0

    def flag(self, name: str) -> str:
        """The value of a `--name=value` argument, or empty."""
        start = f"--{name}="
        return next((it.removeprefix(start) for it in self.arguments if it.startswith(start)), "")


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A leader election lease of a Deployment. `holder` is the pod's name (its identity without the random part).

    `age` is the seconds since it was renewed, infinite when it never was; `acquired` is when this holder got it.
    """

    name: str
    deployment: str
    holder: str
    identity: str
    transitions: int
    age: float
    duration: int
    renewed: datetime | None = None
    acquired: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Crd:
    """A CustomResourceDefinition in the cluster."""

    name: str
    established: bool
    spec: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Log:
    """The log of one container, of its present run or the one before."""

    pod: str
    container: str
    text: str
    previous: bool = False
