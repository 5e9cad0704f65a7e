# SPDX-License-Identifier: Apache-2.0
"""Reads the JSON of an API server into the models of harness/kube/models.py. Pure.

Field names are those of the core/v1, apps/v1, coordination.k8s.io/v1 and apiextensions.k8s.io/v1 APIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from harness.kube.models import EPOCH, Condition, Container, Crd, Deployment, Ended, Event, Lease, Node, Pod, quantity

_REVISION = "deployment.kubernetes.io/revision"
_STATUSES = ("initContainerStatuses", "containerStatuses")

Object = Mapping[str, Any]
"""The JSON of an object."""

P = TypeVar("P", bound=Pod)


def pod(item: Object) -> Pod:
    """A pod."""
    return pod_as(Pod, item)


def pod_as(model: type[P], item: Object) -> P:
    """A pod as one of the models that say more of it than `Pod` does, from the same facts."""
    spec, status, metadata = item.get("spec") or {}, item.get("status") or {}, item["metadata"]
    statuses = {it["name"]: it for key in _STATUSES for it in status.get(key) or []}
    owners = metadata.get("ownerReferences") or []
    conditions = {it.type: it for it in _conditions(status)}
    scheduled = conditions.get("PodScheduled", Condition(type="PodScheduled", status="True"))
    unscheduled = scheduled.status == "False"
    ready = conditions.get("Ready")
    return model(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        namespace=metadata.get("namespace", ""),
        owner=next((f"{it['kind']}/{it['name']}" for it in owners if it.get("controller")), ""),
        owners=tuple(f"{it['kind']}/{it['name']}" for it in owners),
        phase=status.get("phase", ""),
        reason=status.get("reason") or "",
        message=status.get("message") or "",
        ready=ready is not None and ready.status == "True",
        node=spec.get("nodeName") or "",
        service_account=spec.get("serviceAccountName") or "",
        labels=metadata.get("labels") or {},
        annotations=metadata.get("annotations") or {},
        created=time(metadata.get("creationTimestamp")) or EPOCH,
        containers=tuple(_containers(spec, statuses)),
        unscheduled_reason=scheduled.reason if unscheduled else "",
        unscheduled_message=scheduled.message if unscheduled else "",
        leaving=bool(metadata.get("deletionTimestamp")),
        security=spec.get("securityContext") or {},
    )


def event(item: Object) -> Event:
    """An event."""
    series, about = item.get("series") or {}, item.get("involvedObject") or {}
    created = item["metadata"].get("creationTimestamp") if "metadata" in item else None
    last = series.get("lastObservedTime") or item.get("lastTimestamp") or item.get("eventTime") or created
    first = item.get("firstTimestamp") or item.get("eventTime") or created
    return Event(
        reason=item.get("reason") or "",
        about=f"{about.get('kind', '')}/{about.get('name', '')}",
        message=" ".join(str(item.get("message") or "").split()),
        kind=item.get("type") or "Normal",
        at=time(last) or EPOCH,
        first=time(first) or EPOCH,
        count=int(series.get("count") or item.get("count") or 1),
    )


def events(items: Iterable[Object]) -> list[Event]:
    """Events, oldest first; those without a time come before all others."""
    return sorted((event(item) for item in items), key=lambda it: it.at)


def node(item: Object) -> Node:
    """A node."""
    status = item.get("status") or {}
    conditions = {it.type: it for it in _conditions(status)}
    ready = conditions.get("Ready", Condition(type="Ready", status=""))
    return Node(
        name=item["metadata"]["name"],
        ready=ready.status == "True",
        why=": ".join(filter(None, (ready.reason, ready.message))),
        pressures=tuple(
            f"{it.type}: {it.message or it.reason}"
            for it in conditions.values()
            if it.type.endswith("Pressure") and it.status == "True"
        ),
        memory=quantity((status.get("allocatable") or {}).get("memory", "0")),
    )


def deployment(item: Object, replica_sets: Iterable[Object] = ()) -> Deployment:
    """A Deployment, with the newest of its namespace's ReplicaSets that it owns."""
    spec, status, metadata = item.get("spec") or {}, item.get("status") or {}, item["metadata"]
    own = [
        it
        for it in replica_sets
        if any(ref.get("uid") == metadata["uid"] for ref in it["metadata"].get("ownerReferences") or [])
    ]
    newest = max(own, key=lambda it: int(it["metadata"].get("annotations", {}).get(_REVISION, 0)), default=None)
    containers = ((spec.get("template") or {}).get("spec") or {}).get("containers") or [{}]
    # A mesh may put its proxy before the container that the Deployment is about, which has the name of both.
    main = next((it for it in containers if it.get("name") == metadata["name"]), containers[0])
    generation = metadata.get("generation", 0)
    return Deployment(
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        generation=generation,
        replicas=1 if spec.get("replicas") is None else int(spec["replicas"]),
        updated=status.get("updatedReplicas", 0),
        available=status.get("availableReplicas", 0),
        total=status.get("replicas", 0),
        ready=status.get("readyReplicas") or 0,
        current=status.get("observedGeneration", 0) >= generation,
        newest_replica_set=newest["metadata"]["name"] if newest else "",
        arguments=tuple(main.get("args") or ()),
        conditions=tuple(_conditions(status)),
        images={it["name"]: it.get("image") or "" for it in containers if it.get("name")},
    )


def lease(item: Object, deployment_name: str, now: datetime) -> Lease:
    """A Lease. controller-runtime's identity is `<pod>_<uuid>`."""
    spec = item.get("spec") or {}
    identity = spec.get("holderIdentity") or ""
    renewed, acquired = time(spec.get("renewTime")), time(spec.get("acquireTime"))
    return Lease(
        name=item["metadata"]["name"],
        deployment=deployment_name,
        holder=identity.rsplit("_", 1)[0],
        identity=identity,
        transitions=spec.get("leaseTransitions") or 0,
        age=(now - renewed).total_seconds() if renewed else float("inf"),
        duration=spec.get("leaseDurationSeconds") or 0,
        renewed=renewed,
        acquired=acquired,
    )


def crd(item: Object) -> Crd:
    """A CustomResourceDefinition."""
    return Crd(
        name=item["metadata"]["name"],
        established=any(it.type == "Established" and it.status == "True" for it in _conditions(item.get("status"))),
        spec=item["spec"],
    )


def time(text: str | None) -> datetime | None:
    """A time of the API; None for none."""
    return datetime.fromisoformat(text) if text else None


def _conditions(status: Object | None) -> Iterator[Condition]:
    for it in (status or {}).get("conditions") or []:
        yield Condition(
            type=it["type"],
            status=it.get("status") or "",
            reason=it.get("reason") or "",
            message=it.get("message") or "",
        )


def _containers(spec: Object, statuses: Mapping[str, Object]) -> Iterator[Container]:
    for key, init in (("initContainers", True), ("containers", False)):
        for it in spec.get(key) or []:
            yield _container(it, statuses.get(it["name"], {}), init=init)


def _container(spec: Object, status: Object, *, init: bool) -> Container:
    states: Object = status.get("state") or {}
    state = next(iter(states), "")
    detail: Object = states.get(state) or {}
    last = _ended((status.get("lastState") or {}).get("terminated"))
    resources = spec.get("resources") or {}
    return Container(
        name=spec["name"],
        image=spec.get("image") or "",
        reported=status.get("image") or "",
        image_id=status.get("imageID") or "",
        runtime_id=(status.get("containerID") or "").rpartition("://")[2],
        init=init,
        ready=bool(status.get("ready")),
        restarts=max(0, (status.get("restartCount") or 0) - (last is not None and last.reason == "StartError")),
        state=state,
        reason=detail.get("reason") or "",
        message=detail.get("message") or "",
        started_at=time(detail.get("startedAt")),
        ended_at=time(detail.get("finishedAt")),
        ended=_ended(states.get("terminated")),
        last=last,
        requests=resources.get("requests") or {},
        limits=resources.get("limits") or {},
        allocated=_allocated(status.get("resources") or {}),
        environment={it["name"]: it["value"] for it in spec.get("env") or [] if it.get("value") is not None},
        config_maps=_config_maps(spec.get("envFrom") or []),
        mounts={it["name"]: it["mountPath"] for it in spec.get("volumeMounts") or []},
        security=spec.get("securityContext") or {},
    )


def _allocated(given: Object) -> dict[str, str]:
    return {f"{part}.{name}": it for part in ("requests", "limits") for name, it in (given.get(part) or {}).items()}


def _config_maps(sources: Sequence[Object]) -> tuple[str, ...]:
    return tuple(it["configMapRef"]["name"] for it in sources if it.get("configMapRef"))


def _ended(terminated: Object | None) -> Ended | None:
    if not terminated:
        return None
    return Ended(
        exit_code=terminated.get("exitCode", 0),
        reason=terminated.get("reason") or "",
        message=(terminated.get("message") or "").strip(),
    )
