# SPDX-License-Identifier: Apache-2.0
"""Watches the operator while it is replaced: its pods, its leases, its CRDs and its webhook configurations."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

from harness.errors import ApiError, WaitTimeout
from harness.kube import reading
from harness.kube.cluster import Cluster
from harness.kube.models import Container, Pod
from harness.kube.watching import watch_until
from harness.late import client
from harness.releases import footing
from harness.releases.own_containers import is_own_container
from harness.wording import counted

NO_LEADER = "no leader"
NO_ELECTION = "no election, while one controller took the place of another"
"""Why no one controller led."""

_DAY = 86400.0
_WINDOW = 2
"""Seconds within which the watches hear that they are over."""

_SAME_TIME = timedelta(seconds=2)
"""What clocks may differ by and count as one: as much as can be told from two answers."""

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
    """A pod of the operator: when it was made, first seen ready (None: never), told to end (None: it was not), and gone
    (None: it is there). `component` is the chart's label, `controller` or `webhook`.
    """

    name: str
    image: str
    created: datetime
    leaving: datetime | None = None
    gone: datetime | None = None
    ready: datetime | None = None
    component: str = ""


@dataclass(frozen=True, kw_only=True)
class OperatorWatch:
    """What was seen, oldest first. `trouble` is why something could not be watched; empty when all of it was.

    `gap` is how many seconds no controller led: from when the pod that held the lease was told to end, or renewed it
    for the last time, until a pod of after `began` held it. None when none did while it was watched. A controller that
    is told to end finishes what it has begun, for as long as a submission takes, and takes on nothing more.
    `handovers` are all such times: of several replicas, one of before may lead in between. `replaced` is, where no
    leader is elected, from when controllers of before and after were there together, or none was, until only new ones
    were.
    """

    sightings: tuple[Sighting, ...] = ()
    leases: tuple[LeaseHeld, ...] = ()
    pods: tuple[PodLife, ...] = ()
    gap_began: datetime | None = None
    gap_ended: datetime | None = None
    trouble: str = ""
    handovers: tuple[tuple[datetime, datetime], ...] = ()
    replaced: tuple[datetime, datetime] | None = None

    @property
    def gap(self) -> float | None:
        """Seconds without a leading controller."""
        if self.gap_began is None or self.gap_ended is None:
            return None
        return max(0.0, (self.gap_ended - self.gap_began).total_seconds())

    def unled(self, moment: datetime, early: timedelta = timedelta()) -> str:
        """Why no one controller led at a moment, or up to `early` after it, in words; empty where one did.

        A time that was not seen to end explains nothing.
        """
        last = [(self.gap_began, self.gap_ended)] if self.gap_began and self.gap_ended else []
        if any(began - early <= moment <= ended for began, ended in (*self.handovers, *last)):
            return NO_LEADER
        if self.replaced and self.replaced[0] - early <= moment <= self.replaced[1]:
            return NO_ELECTION
        return ""


class OperatorWatcher:
    """Watches from `start` until `stop`; `seen` then waits for the threads (at most some seconds) and tells."""

    def __init__(self, cluster: Cluster, namespace: str, *, leaves: Callable[[Pod], None] | None = None) -> None:
        """`leaves` is called with each pod that has been told to end, whenever it changes."""
        self._cluster = cluster
        self._namespace = namespace
        self._leaves = leaves
        self._pool = ThreadPoolExecutor(4, "operator-watch")
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._sightings: list[Sighting] = []
        self._leases: list[LeaseHeld] = []
        self._pods: dict[str, PodLife] = {}
        self._known: dict[str, str] = {}
        self._watching: list[Future[str]] = []
        self._ahead = timedelta()

    def start(self) -> None:
        """Begin to watch."""
        self._ahead = self._clock_ahead()
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
            handovers=handovers(leases, {pod.name: pod for pod in pods}, began),
            replaced=None if any(it.of_controller for it in leases) else replacement(pods, began),
            trouble="; ".join(filter(None, troubles)),
        )

    def leader(self) -> str:
        """The image of the controller that holds the lease at this moment; empty where none does, or elects none."""
        with self._lock:
            return next((it.image for it in reversed(self._leases) if it.of_controller), "")

    def led(self, began: datetime) -> float:
        """For how many seconds a controller made since a change has led; 0 while none does, or none is elected."""
        with self._lock:
            pods = dict(self._pods)
            own = [it for it in self._leases if it.of_controller and it.pod]
        leads = own[-1] if own and _is_new(pods.get(own[-1].pod), began) else None
        return (datetime.now(UTC) - leads.at).total_seconds() if leads else 0.0

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
                        window=_WINDOW,
                        **options,
                    )
                except WaitTimeout as ended:
                    return "" if self._ended.is_set() else ended.message
                except ApiError as away:
                    return f"{call} {options.get('plural', '')}: {away}"
            return ""

        self._watching.append(self._pool.submit(watch))

    def _clock_ahead(self) -> timedelta:
        """How far the cluster's clock, by which pods are made and leases held, is ahead of this machine's; zero where
        they agree, or the API server does not answer, which the watches will tell.
        """
        try:
            with self._cluster.api_client() as api:
                ahead = footing.clock_ahead(api)
        except ApiError:
            return timedelta()
        return ahead if abs(ahead) > _SAME_TIME else timedelta()

    def _say(self, kind: str, name: str, what: str) -> None:
        """Note a change; what is as it was is not one."""
        key = f"{kind}/{name}"
        if self._known.get(key) != what:
            self._known[key] = what
            self._sightings.append(Sighting(at=datetime.now(UTC), kind=kind, name=name, what=what))

    def _pod(self, event: str, item: Mapping[str, Any]) -> None:
        pod = reading.pod(item)
        image = next((it.image for it in _by_likeness(pod)), "")
        now = datetime.now(UTC)
        gone = now if event == "DELETED" else None
        if self._leaves is not None and pod.leaving and not gone:
            self._leaves(pod)
        known = self._pods.get(pod.name)
        leaving = (known.leaving if known else None) or (now if pod.leaving else None)
        self._pods[pod.name] = PodLife(
            name=pod.name,
            image=image,
            created=pod.created - self._ahead,
            leaving=leaving,
            gone=gone,
            ready=(known.ready if known else None) or (now if pod.ready else None),
            component=pod.labels.get("app.kubernetes.io/component", ""),
        )
        states = ", ".join(
            " ".join(filter(None, (it.name, it.state, it.reason, "ready" if it.ready else "", _restarted(it.restarts))))
            for it in pod.containers
        )
        ends = ", leaving" if pod.leaving else ""
        self._say("Pod", pod.name, "gone" if gone else f"{pod.phase}, {image}: {states}{ends}")

    def _lease(self, event: str, item: Mapping[str, Any]) -> None:
        now = datetime.now(UTC)
        lease = reading.lease(item, "", now)
        name, holder = lease.name, lease.holder
        renewed = lease.renewed - self._ahead if lease.renewed else now
        acquired = lease.acquired - self._ahead if lease.acquired else now
        last = next((it for it in reversed(self._leases) if it.lease == name), None)
        self._say("Lease", name, "gone" if event == "DELETED" else f"held by {holder or 'nobody'}")
        if last is not None and last.pod == holder:
            self._leases[self._leases.index(last)] = LeaseHeld(
                at=last.at, renewed=renewed, lease=name, pod=holder, image=last.image or self._image(holder)
            )
            return
        self._leases.append(LeaseHeld(at=acquired, renewed=renewed, lease=name, pod=holder, image=self._image(holder)))

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
        what = "gone" if event == "DELETED" else f"{counted(len(bundles), 'webhook')}, CA bundle {', '.join(marks)}"
        self._say("MutatingWebhookConfiguration", item["metadata"]["name"], what)


def leadership_gap(
    leases: tuple[LeaseHeld, ...], pods: Mapping[str, PodLife], began: datetime
) -> tuple[datetime | None, datetime | None]:
    """From when until when no controller led, at a change that began then; None where an end is not known.

    The leader of before is who held the controller's lease last; it stopped leading when its pod was told to end, was
    gone, or renewed for the last time, whichever came first. A pod made since the change began leads next.
    """
    own = [it for it in leases if it.of_controller and it.pod]
    before = [it for it in own if not _is_new(pods.get(it.pod), began)]
    after = [it for it in own if _is_new(pods.get(it.pod), began)]
    if not before:
        return None, None
    ended = _end_of(before[-1], pods)
    following = [it.at for it in after if it.at >= ended]
    return ended, min(following, default=None)


def handovers(
    leases: Sequence[LeaseHeld], pods: Mapping[str, PodLife], began: datetime
) -> tuple[tuple[datetime, datetime], ...]:
    """From when until when no controller led, for each change of leaders since then, whoever came next."""
    own = [it for it in leases if it.of_controller and it.pod]
    found = ((_end_of(one, pods), other.at) for one, other in pairwise(own) if other.at >= began)
    return tuple((end, start) for end, start in found if end < start)


def replacement(pods: Iterable[PodLife], began: datetime) -> tuple[datetime, datetime] | None:
    """From when until when the controllers of before and after a change were there together, or none of them was.

    None while one of before is still there, or none of after was ever ready.
    """
    mine = [it for it in pods if it.component == "controller"]
    old, new = [it for it in mine if not _is_new(it, began)], [it for it in mine if _is_new(it, began)]
    gone = [it.gone for it in old if it.gone]
    ready = [it.ready for it in new if it.ready]
    if not old or not ready or len(gone) < len(old):
        return None
    begins = [it.created for it in new] + [it for life in old for it in (life.leaving, life.gone) if it]
    return min(begins), max(*gone, min(ready))


def _is_new(life: PodLife | None, began: datetime) -> bool:
    """Whether a pod was made since a change began; creation timestamps are to the second."""
    return life is not None and life.created >= began.replace(microsecond=0)


def _end_of(held: LeaseHeld, pods: Mapping[str, PodLife]) -> datetime:
    """When the holder of a lease stopped leading."""
    life = pods.get(held.pod)
    ends = (held.renewed, life.leaving, life.gone) if life else (held.renewed,)
    return min(it for it in ends if it)


def _by_likeness(pod: Pod) -> list[Container]:
    """The containers of a pod, the operator's own first: a mesh puts its own before it."""
    return sorted(pod.containers, key=lambda it: (it.init, not is_own_container(it.name)))


def _restarted(count: int) -> str:
    return f"restarted {counted(count, 'time')}" if count else ""
