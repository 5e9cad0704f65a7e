# SPDX-License-Identifier: Apache-2.0
"""Driver, executor and Connect server pods as a scenario looks at them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from harness.late import quantities

LABEL_ROLE = "spark-role"
LABEL_LAUNCHED = "sparkoperator.k8s.io/launched-by-spark-operator"
LABEL_SUBMISSION = "sparkoperator.k8s.io/submission-id"
LABEL_MUTATED = "sparkoperator.k8s.io/mutated-by-spark-operator"

MAIN_CONTAINERS = ("spark-kubernetes-driver", "spark-kubernetes-executor")
"""The containers that are Spark's own, whatever else a pod has."""


@dataclass(frozen=True, kw_only=True)
class Owner:
    """One owner reference."""

    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A container that waits: for what, in the kubelet's words, and for which image."""

    reason: str
    message: str
    image: str


@dataclass(frozen=True, kw_only=True)
class SparkPod:
    """A pod as the API showed it last. `requests` and `limits` are the specification's, `allocated` what the kubelet
    reports to have given (`status.containerStatuses[].resources`; empty where Kubernetes does not report it).
    """

    name: str
    uid: str
    role: str
    phase: str
    node: str
    image: str
    image_id: str
    service_account: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    owners: tuple[Owner, ...]
    requests: Mapping[str, str]
    limits: Mapping[str, str]
    allocated: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    environment_from: tuple[str, ...] = ()
    mounts: Mapping[str, str] = field(default_factory=dict)
    waiting: str = ""
    waiting_containers: tuple[Waiting, ...] = ()
    leaving: bool = False

    @property
    def is_live(self) -> bool:
        """Neither finished nor on its way out."""
        return self.phase in ("Pending", "Running") and not self.leaving

    def __str__(self) -> str:
        return f"{self.name} {self.phase}{f' ({self.waiting})' if self.waiting else ''}"


def observe(pod: Any) -> SparkPod:
    """Read a V1Pod. The Spark container is the one with Spark's own name, else the first."""
    containers = pod.spec.containers
    container = next((c for c in containers if c.name in MAIN_CONTAINERS), containers[0])
    statuses = pod.status.container_statuses or []
    status = next((s for s in statuses if s.name == container.name), None)
    resources = container.resources
    given = getattr(status, "resources", None)
    return SparkPod(
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        role=(pod.metadata.labels or {}).get(LABEL_ROLE, ""),
        phase=pod.status.phase or "",
        node=pod.spec.node_name or "",
        image=container.image,
        image_id=(status.image_id if status else "") or "",
        service_account=pod.spec.service_account_name or "",
        labels=pod.metadata.labels or {},
        annotations=pod.metadata.annotations or {},
        owners=tuple(Owner(kind=o.kind, name=o.name) for o in pod.metadata.owner_references or []),
        requests=(resources and resources.requests) or {},
        limits=(resources and resources.limits) or {},
        allocated=_allocated(given),
        environment={e.name: e.value for e in container.env or [] if e.value is not None},
        environment_from=tuple(e.config_map_ref.name for e in container.env_from or [] if e.config_map_ref),
        mounts={m.name: m.mount_path for m in container.volume_mounts or []},
        waiting=_waiting(pod),
        waiting_containers=tuple(_waiting_containers(pod)),
        leaving=pod.metadata.deletion_timestamp is not None,
    )


def by_role(pods: Iterable[SparkPod], role: str) -> list[SparkPod]:
    """The pods of one role: `driver`, `executor`, `connect-server`."""
    return [pod for pod in pods if pod.role == role]


def amount(quantity: str) -> Decimal:
    """A Kubernetes quantity as a number: cores or bytes."""
    return Decimal(quantities.parse_quantity(quantity))  # type: ignore[no-untyped-call]


def java_memory(quantity: str) -> Decimal:
    """Bytes of a JVM memory string, in which `m` and `g` are binary: `512m` is 512 MiB."""
    suffix = quantity[-1].lower()
    return Decimal(quantity[:-1]) * 1024 ** (" kmgt".index(suffix)) if suffix in "kmgt" else Decimal(quantity)


def _allocated(resources: Any) -> dict[str, str]:
    if resources is None:
        return {}
    found = {f"requests.{name}": value for name, value in (resources.requests or {}).items()}
    return found | {f"limits.{name}": value for name, value in (resources.limits or {}).items()}


def _waiting_containers(pod: Any) -> Iterator[Waiting]:
    images = {it.name: it.image for it in (*(pod.spec.init_containers or []), *pod.spec.containers)}
    for status in (*(pod.status.init_container_statuses or []), *(pod.status.container_statuses or [])):
        waiting = status.state.waiting if status.state else None
        if waiting is not None:
            yield Waiting(reason=waiting.reason or "", message=waiting.message or "", image=images.get(status.name, ""))


def _waiting(pod: Any) -> str:
    """Why a pod does not run: the scheduler's words or the container's waiting reason."""
    reasons = []
    for condition in pod.status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False":
            reasons.append(f"{condition.reason}: {condition.message}")
    for status in pod.status.container_statuses or []:
        waiting = status.state.waiting if status.state else None
        if waiting is not None:
            reasons.append(f"{waiting.reason}: {waiting.message}" if waiting.message else str(waiting.reason))
    return "; ".join(reasons)
