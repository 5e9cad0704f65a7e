# SPDX-License-Identifier: Apache-2.0
"""Watches the operator while it is replaced: its pods, its leases, its CRDs and its webhook configurations."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from harness.errors import ApiError, WaitTimeout
from harness.kube import reading
from harness.kube.cluster import Cluster
from harness.kube.watching import watch_until
from harness.late import client

_DAY = 86400.0
_GROUP = "sparkoperator.k8s.io"


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One thing that was seen to change. `kind` is a Kubernetes kind; `what` is said in words."""

    at: datetime
    kind: str
    name: str
    what: str

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S.%f}Z {self.kind} {self.name}: {self.what}"


@dataclass(frozen=True, kw_only=True)
class LeaseHeld:
    """A lease, and who held it from then until it was renewed for the last time: the pod, and its image."""

    at: datetime
    renewed: datetime
    lease: str
    pod: str
    image: str

    @property
    def of_controller(self) -> bool:
        """Whether it is the controller's: the chart names leases `…-controller-lock` and `…-webhook-lock`."""
        return self.lease.endswith("controller-lock")


@dataclass(frozen=True, kw_only=True)
class PodLife:
    """A pod of the operator: when it was made, told to end (None: it was not), and gone (None: it is there)."""

    name: str
    image: str
    created: datetime
    leaving: datetime | None = None
    gone: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class OperatorWatch:
    """What was seen, oldest first. `trouble` is why something could not be watched; empty when all of it was.

    `gap` is how many seconds no controller led: from when the pod that held the lease was told to end, or renewed it
    for the last time, until a pod of after `began` held it. None when none did while it was watched. A controller that
    is told to end finishes what it has begun, for as long as a submission takes, and takes on nothing more.
    """

    sightings: tuple[Sighting, ...] = ()
    leases: tuple[LeaseHeld, ...] = ()
    pods: tuple[PodLife, ...] = ()
    gap_began: datetime | None = None
    gap_ended: datetime | None = None
    trouble: str = ""

    @property
    def gap(self) -> float | None:
        """Seconds without a leading controller."""
        if self.gap_began is None or self.gap_ended is None:
            return None
        return max(0.0, (self.gap_ended - self.gap_began).total_seconds())


class OperatorWatcher:
    """Watches from `start` until `stop`; `seen` then waits for the threads (at most some seconds) and tells."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._pool = ThreadPoolExecutor(4, "operator-watch")
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._sightings: list[Sighting] = []
        self._leases: list[LeaseHeld] = []
        self._pods: dict[str, PodLife] = {}
        self._known: dict[str, str] = {}
        self._watching: list[Future[str]] = []

    def start(self) -> None:
        """Begin to watch."""
        custom = "list_cluster_custom_object", "list_namespaced_custom_object"
        own = {"namespace": self._namespace}
        self._watch(client.CoreV1Api, "list_namespaced_pod", self._pod, **own)
        self._watch(
            client.CustomObjectsApi,
            custom[1],
            self._lease,
            group="coordination.k8s.io",
            version="v1",
            plural="leases",
            **own,
        )
        self._watch(
            client.CustomObjectsApi,
            custom[0],
            self._crd,
            group="apiextensions.k8s.io",
            version="v1",
            plural="customresourcedefinitions",
        )
        self._watch(
            client.CustomObjectsApi,
            custom[0],
            self._webhook,
            group="admissionregistration.k8s.io",
            version="v1",
            plural="mutatingwebhookconfigurations",
        )

    def stop(self) -> None:
        """Tell the threads to end."""
        self._ended.set()

    def seen(self, began: datetime) -> OperatorWatch:
        """What was seen since `start`, of a change that began then."""
        self.stop()
        troubles = [future.result() for future in self._watching]
        self._pool.shutdown()
        pods, leases = tuple(self._pods.values()), tuple(self._leases)
        gap_began, gap_ended = leadership_gap(leases, {pod.name: pod for pod in pods}, began)
        return OperatorWatch(
            sightings=tuple(sorted(self._sightings, key=lambda it: it.at)),
            leases=leases,
            pods=pods,
            gap_began=gap_began,
            gap_ended=gap_ended,
            trouble="; ".join(filter(None, troubles)),
        )

    def leader(self) -> str:
        """The image of the controller that holds the lease at this moment; empty where none does, or elects none."""
        with self._lock:
            return next((it.image for it in reversed(self._leases) if it.of_controller), "")

    def _watch(
        self, api_class: Callable[[client.ApiClient], Any], call: str, note: Callable[[str, Any], None], **options: Any
    ) -> None:
        def watch() -> str:
            with self._cluster.api_client() as api:

                def on_event(event: str, item: Any) -> None:
                    with self._lock:
                        note(event, item)

                try:
                    watch_until(
                        getattr(api_class(api), call),
                        on_event,
                        what="the end of the change",
                        timeout=_DAY,
                        describe=lambda item: "",
                        hopeless=lambda: "the change is over" if self._ended.is_set() else "",
                        **options,
                    )
                except WaitTimeout as ended:
                    return "" if self._ended.is_set() else ended.message
                except ApiError as away:
                    return f"{call} {options.get('plural', '')}: {away}"
            return ""

        self._watching.append(self._pool.submit(watch))

    def _say(self, kind: str, name: str, what: str) -> None:
        """Note a change; what is as it was is not one."""
        key = f"{kind}/{name}"
        if self._known.get(key) != what:
            self._known[key] = what
            self._sightings.append(Sighting(at=datetime.now(UTC), kind=kind, name=name, what=what))

    def _pod(self, event: str, item: Mapping[str, Any]) -> None:
        pod = reading.pod(item)
        image = pod.containers[0].image if pod.containers else ""
        now = datetime.now(UTC)
        gone = now if event == "DELETED" else None
        known = self._pods.get(pod.name)
        leaving = (known.leaving if known else None) or (now if pod.leaving else None)
        self._pods[pod.name] = PodLife(name=pod.name, image=image, created=pod.created, leaving=leaving, gone=gone)
        states = ", ".join(
            " ".join(filter(None, (it.name, it.state, it.reason, "ready" if it.ready else "", _restarted(it.restarts))))
            for it in pod.containers
        )
        ends = ", leaving" if pod.leaving else ""
        self._say("Pod", pod.name, "gone" if gone else f"{pod.phase}, {image}: {states}{ends}")

    def _lease(self, event: str, item: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        lease = reading.lease(item, "", now)
        name, holder, renewed = lease.name, lease.holder, lease.renewed or now
        last = next((it for it in reversed(self._leases) if it.lease == name), None)
        self._say("Lease", name, "gone" if event == "DELETED" else f"held by {holder or 'nobody'}")
        if last is not None and last.pod == holder:
            self._leases[self._leases.index(last)] = LeaseHeld(
                at=last.at, renewed=renewed, lease=name, pod=holder, image=last.image or self._image(holder)
            )
            return
        self._leases.append(
            LeaseHeld(at=lease.acquired or now, renewed=renewed, lease=name, pod=holder, image=self._image(holder))
        )

    def _image(self, pod: str) -> str:
        known = self._pods.get(pod)
        return known.image if known else ""

    def _crd(self, event: str, item: Mapping[str, Any]) -> None:
        if item["spec"]["group"] == _GROUP:
            generation = item["metadata"].get("generation", 0)
            self._say("CRD", item["metadata"]["name"], "gone" if event == "DELETED" else f"generation {generation}")

    def _webhook(self, event: str, item: Mapping[str, Any]) -> None:
        bundles = [str((it.get("clientConfig") or {}).get("caBundle", "")) for it in item.get("webhooks") or []]
        marks = sorted({hashlib.sha256(it.encode()).hexdigest()[:12] if it else "none" for it in bundles})
        what = "gone" if event == "DELETED" else f"{len(bundles)} webhooks, CA bundle {', '.join(marks)}"
        self._say("MutatingWebhookConfiguration", item["metadata"]["name"], what)


def leadership_gap(
    leases: tuple[LeaseHeld, ...], pods: Mapping[str, PodLife], began: datetime
) -> tuple[datetime | None, datetime | None]:
    """From when until when no controller led, at a change that began then; None where an end is not known.

    The leader of before is who held the controller's lease last; it stopped leading when its pod was told to end, was
    gone, or renewed for the last time, whichever came first. A pod made since the change began leads next.
    """
    own = [it for it in leases if it.of_controller]

    def is_new(held: LeaseHeld) -> bool:
        life = pods.get(held.pod)
        return life is not None and life.created >= began.replace(microsecond=0)

    before = [it for it in own if it.pod and not is_new(it)]
    after = [it for it in own if it.pod and is_new(it)]
    if not before:
        return None, None
    last = before[-1]
    life = pods.get(last.pod)
    ends = (last.renewed, life.leaving, life.gone) if life else (last.renewed,)
    ended = min(it for it in ends if it)
    following = [it.at for it in after if it.at >= ended]
    return ended, min(following, default=None)


def _restarted(count: int) -> str:
    return f"restarted {count} times" if count else ""
