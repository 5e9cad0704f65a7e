# SPDX-License-Identifier: Apache-2.0
"""Whether the host, the cluster or a registry failed a cell, rather than the product: a diagnosis, or none.

What is diagnosed makes a cell an `error`, whatever else was found: a failure of the host is never told as one of the
operator.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.kube import pull_messages, waiting_pulls
from harness.kube.models import Event, Node, Pod, by_object
from harness.kube.pull_messages import Fault, PullFailure, PullsLeft
from harness.machine import HostSeen
from harness.releases.own_containers import is_little_cpu, is_own_container
from harness.releases.surroundings import Surroundings
from harness.verdicts import Finding, errored

CHECK = "infrastructure"


class Cause(StrEnum):
    """What failed, the gravest first. The value is what results.json says."""

    DISK_FULL = "disk-full"
    HOST_MEMORY = "host-memory"
    LOGIN_REFUSED = "login-refused"
    NODE_LOST = "node-lost"
    REGISTRY_BUSY = "registry-busy"
    REGISTRY_FAILING = "registry-failing"
    CLUSTER_NOT_CREATED = "cluster-not-created"
    PULL_SETTINGS = "pull-settings"
    USERS_VALUES = "users-values"
    OWN_LOAD = "own-load"
    HOST_BUSY = "host-busy"
    NODE_FAILING = "node-failing"
    NETWORK = "network"
    NOT_RECOGNISED = "not-recognised"


_AGAIN = frozenset(
    {
        Cause.HOST_MEMORY,
        Cause.OWN_LOAD,
        Cause.HOST_BUSY,
        Cause.NODE_LOST,
        Cause.NODE_FAILING,
        Cause.REGISTRY_FAILING,
        Cause.NETWORK,
        Cause.CLUSTER_NOT_CREATED,
    }
)
"""What may be gone a moment later. A full disk stays full, every pull makes a rate limit last longer, and a login or
words that nobody knows are for the user to look at.
"""

_OF_PULL = {
    Fault.REGISTRY: Cause.REGISTRY_FAILING,
    Fault.NETWORK: Cause.NETWORK,
    Fault.SETTINGS: Cause.PULL_SETTINGS,
    Fault.HOST: Cause.NODE_FAILING,
    Fault.NOT_RECOGNISED: Cause.NOT_RECOGNISED,
}
_OF_KIND = {pull_messages.REGISTRY_BUSY: Cause.REGISTRY_BUSY, pull_messages.DISK_FULL: Cause.DISK_FULL}

_NEXT = {
    Cause.DISK_FULL: "make room (`harness foundry prune`, `docker system prune`), or set HARNESS_CACHE to another disk",
    Cause.HOST_MEMORY: "free memory, or run less at a time (--jobs 1, app_slots in harness.toml)",
    Cause.OWN_LOAD: "this is a mistake of the harness, which must start no more than the host can bear: please report "
    "it, with results.json; until it is mended, lower `processors` in harness.toml, or use --jobs 1",
    Cause.HOST_BUSY: "let nothing else work beside, or run less at a time (--jobs 1, `processors` in harness.toml)",
    Cause.LOGIN_REFUSED: "log in again as you do for kubectl, with a login that lasts for the whole run",
    Cause.NODE_LOST: "see the node's log in the evidence, and the host's own",
    Cause.NODE_FAILING: "see the pod's events and the node's log in the evidence; on a busy host, run less at a time "
    "(--jobs 1, `processors` in harness.toml)",
    Cause.USERS_VALUES: "correct what the values (--values) ask for there, or see whether the cell passes without them",
    Cause.CLUSTER_NOT_CREATED: "see create.log and the node's log in the evidence",
}

_EVICTED = "node was low on resource"
_TAKEN_AWAY = {
    "NodeNotReady": "Node is not ready",
    "TaintManagerEviction": "Marking for deletion",
    "ScaleDown": "deleting pod for node scale down",
    "Evicted": "Evicted pod: ",
}
"""Event's reason → the beginning of its message where a node, and its pods with it, is taken away or lost: by the
controllers of node-lifecycle and taint-eviction, the cluster autoscaler, Karpenter."""

_SHUT_DOWN = re.compile(r"node (shutdown|is shutting down)")
_NO_ROOM = re.compile(r"Insufficient [\w./-]+|Too many pods|no nodes available")
_OVERCOME_SECONDS = 30.0
"""A lack of memory that lasted shorter explains nothing that came too late."""

_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.I)
_LITTLE_DISK = 200 * 10**6
_LITTLE_MEMORY = 200 * 10**6
_MIB = 2**20

_NOT_STARTED = re.compile(
    r"(?:OCI runtime create failed|failed to create (?:shim|containerd) task|failed to start sandbox)"
    r"(?!.*(?:memory limit|executable file not found|exec format error))"
    r".*(?:unable to freeze|setting cgroup config|context deadline exceeded|resource temporarily unavailable"
    r"|ttrpc: closed|too many open files|device or resource busy|signal: killed)"
)
"""What runtimes say when they could not start a container, and neither its image nor its limits are why. runc 1.3 on a
node with more to do than it could said "error setting cgroup config for procHooks process: unable to freeze".
"""

_HEAVY_LOAD = 8.0
"""Two clusters at once on two processors were seen to make 5; at 12 an operator answered nobody for half a minute."""
_SLOW_LOAD = 5.0
"""Enough for what was waited for to come too late: at 7.5, the client of a Ready server had no answer in 120 s."""
_WAITED = re.compile(r"\bwaited \d+ s\b|\bwas not ready within \d+ s\b")
_MOSTLY_OWN = 0.4
"""From this part on, a load is the run's own doing. Where nothing else ran, 0.45 to 0.5 were counted: the engine and
the kernel work for the run, too, and are nobody's.
"""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What failed, in words. `hopeless` when just this can never be otherwise on this host; `pull` is the pull that
    failed, if it was one.
    """

    cause: Cause
    message: str
    hopeless: bool = False
    pull: PullFailure | None = None

    def with_limit(self, left: PullsLeft | None) -> Diagnosis:
        """The same with what the busy registry itself says of its pull limit, where it says anything."""
        if left is None or self.pull is None:
            return self
        return replace(self, message=self.message.replace(self.pull.words, self.pull.with_limit(left), 1))

    @property
    def again(self) -> bool:
        """Whether a second try on a fresh cluster may help."""
        return self.cause in _AGAIN and not self.hopeless

    def finding(self) -> Finding:
        """The diagnosis as a finding."""
        step = self.pull.next_step if self.pull else _NEXT[self.cause]
        message = self.message if "\n  next: " in self.message else f"{self.message}\n  next: {step}"
        return errored(CHECK, message, cause=self.cause.value)


Judged = Callable[[PullFailure], PullFailure]

Asked = Callable[[str], str]
"""Image that a node says is not there → what its registry says otherwise, in words; empty when it says the same."""


def diagnose(
    host: HostSeen,
    seen: Surroundings | None = None,
    said: Iterable[str] = (),
    *,
    mirrored: Collection[str] = (),
    asked: Asked = lambda image: "",
) -> Diagnosis | None:
    """The gravest cause outside the product; None when there is none.

    `said` are messages of what went wrong. Without `seen` only they and the host are looked at. `mirrored` are the
    registry hosts for which a mirror of the user's answers. `asked` asks a registry before it is believed that an image
    does not exist: a node says so too where a mirror has not got it and the registry could not be reached.
    """

    def judged(failure: PullFailure) -> PullFailure:
        otherwise = asked(failure.image) if failure.is_absence else ""
        if otherwise:
            return failure.but(otherwise)
        return failure.said_by_mirror() if failure.host in mirrored else failure

    messages = list(said)
    late = any(map(_WAITED.search, messages))
    found = [*_of_host(host, messages), *(_of_cluster(host, seen, judged, late=late) if seen else ())]
    return min(found, key=lambda it: list(Cause).index(it.cause), default=None)


def of_creation(host: HostSeen, said: str) -> Diagnosis:
    """Why a cluster could not be made; `said` is the provider's error."""
    found = diagnose(host, said=[said])
    if found is None:
        return Diagnosis(cause=Cause.CLUSTER_NOT_CREATED, message=said)
    return found if said in found.message else replace(found, message=f"{said}; {found.message}")


def node_lost(host: HostSeen, said: str) -> Diagnosis:
    """The API server does not answer; `said` is what the client got."""
    silent = f"the API server does not answer: {said}"
    found = diagnose(host)
    return (
        replace(found, message=f"{silent}; {found.message}")
        if found
        else Diagnosis(cause=Cause.NODE_LOST, message=silent)
    )


def login_refused(said: str) -> Diagnosis:
    """The API server does not take the login any more, or not for a look around; `said` is its answer."""
    return Diagnosis(cause=Cause.LOGIN_REFUSED, message=f"the cluster does not let this login look around: {said}")


def _of_host(host: HostSeen, said: Iterable[str]) -> Iterator[Diagnosis]:
    said = list(said)
    complaint = next((line.strip() for text in said for line in text.splitlines() if _NO_SPACE.search(line)), "")
    if complaint or host.disk_free < _LITTLE_DISK:
        free = f"{host.disk_free / 10**9:.1f} GB are free on the disk of {host.disk}"
        yield Diagnosis(
            cause=Cause.DISK_FULL, message=f"the disk is full: {f'{complaint}; ' if complaint else ''}{free}"
        )
    if host.memory_available < _LITTLE_MEMORY:
        yield Diagnosis(cause=Cause.HOST_MEMORY, message=f"the host is out of memory: {_memory(host)}")
    if host.load > (_SLOW_LOAD if any(map(_WAITED.search, said)) else _HEAVY_LOAD):
        yield _busy(host)
    for line in (line for text in said for line in text.splitlines()):
        if _NOT_STARTED.search(line):
            yield Diagnosis(cause=Cause.NODE_FAILING, message=f"the node could not start a container: {line.strip()}")


def _busy(host: HostSeen) -> Diagnosis:
    """Of a load that others make a user can get rid; one that the run makes itself is a mistake of the harness."""
    message = f"{host.load:.0f} runnable processes per processor, on average since the creation of its cluster began"
    if host.own is None:
        whose, cause = "whose they were cannot be told here", Cause.HOST_BUSY
    else:
        whose = f"{host.own:.0%} of that was this run's doing"
        cause = Cause.OWN_LOAD if host.own >= _MOSTLY_OWN else Cause.HOST_BUSY
    said = "the harness overloaded its own host" if cause is Cause.OWN_LOAD else "the host was too busy"
    return Diagnosis(cause=cause, message=f"{said}, so that this proves nothing: {message}; {whose}")


def _of_cluster(host: HostSeen, seen: Surroundings, judged: Judged, *, late: bool) -> Iterator[Diagnosis]:
    nodes = _concerned(seen)
    for node in nodes:
        yield from _of_node(host, node)
    for pod in seen.pods:
        yield from _of_pod(host, pod, seen.nodes)
        yield from _of_values(pod, late=late)
    others = {f"Node/{it.name}" for it in seen.nodes if it not in nodes}
    for event in seen.events:
        if event.about not in others and not _overcome(event, seen, late=late):
            yield from _of_event(host, event, late=late)
    yield from _of_pulls(seen, judged)


def _concerned(seen: Surroundings) -> list[Node]:
    """The nodes that pods are on; all of them as long as there is none, or one waits for a node."""
    used = {it.node for it in seen.pods}
    return [it for it in seen.nodes if not used or "" in used or it.name in used]


def _overcome(event: Event, seen: Surroundings, *, late: bool) -> bool:
    """Whether a pod has had its node since the scheduler said this. Where something came too `late`, what was short
    for a while may still be why.
    """
    if event.reason != "FailedScheduling":
        return False
    after = [it.at for it in seen.events if it.about == event.about and it.reason == "Scheduled" and it.at >= event.at]
    if after:
        return not late or (min(after) - event.first).total_seconds() < _OVERCOME_SECONDS
    return not late and any(f"Pod/{it.name}" == event.about and it.node for it in seen.pods)


def _of_event(host: HostSeen, event: Event, *, late: bool) -> Iterator[Diagnosis]:
    """What an event tells; the pod that it is about may be gone already. Processors that were short explain only what
    came too `late`.
    """
    message = f"{event.about} says {event.reason}: {event.message}"
    if late and event.reason == "FailedScheduling" and _NO_ROOM.search(event.message):
        yield Diagnosis(cause=Cause.HOST_BUSY, message=message)
    starved = event.reason == "FailedScheduling" and "Insufficient memory" in event.message
    taken = _TAKEN_AWAY.get(event.reason)
    if event.about.startswith("Pod/") and taken and event.message.startswith(taken):
        yield Diagnosis(cause=Cause.NODE_LOST, message=message)
    if event.about.startswith("Pod/") and event.reason == "Preempted":
        yield Diagnosis(cause=Cause.HOST_BUSY, message=message)
    evicted = event.reason == "Evicted" and _EVICTED in event.message
    if starved or evicted or event.reason in ("SystemOOM", "EvictionThresholdMet"):
        cause = Cause.DISK_FULL if re.search("ephemeral|disk", event.message) else Cause.HOST_MEMORY
        yield Diagnosis(cause=cause, message=f"{message}; {_memory(host)}")
    # What a message about a pull means is read in _of_pulls: a disk in it may be the registry's.
    elif _NO_SPACE.search(event.message) and pull_messages.of_event(event.reason, event.message) is None:
        yield Diagnosis(cause=Cause.DISK_FULL, message=message)


def _of_node(host: HostSeen, node: Node) -> Iterator[Diagnosis]:
    for pressure in node.pressures:
        cause = {"Disk": Cause.DISK_FULL, "Memory": Cause.HOST_MEMORY}.get(pressure.partition("Pressure")[0])
        if cause:
            yield Diagnosis(cause=cause, message=f"node {node.name} is under pressure: {pressure}; {_memory(host)}")
    if not node.ready:
        yield Diagnosis(cause=Cause.NODE_LOST, message=f"node {node.name} is not Ready: {node.why or 'no condition'}")


def _of_pod(host: HostSeen, pod: Pod, nodes: Sequence[Node]) -> Iterator[Diagnosis]:
    # A pod that passed its own limit is evicted with other words; that is its own fault.
    if pod.reason == "Evicted" and _EVICTED in pod.message:
        cause = Cause.DISK_FULL if "ephemeral-storage" in pod.message else Cause.HOST_MEMORY
        yield Diagnosis(cause=cause, message=f"pod {pod.name} was evicted: {pod.message}; {_memory(host)}")
    # By the kubelet, which admits no pod while its node goes down, or when another was quicker to take its place.
    elif _SHUT_DOWN.search(pod.message):
        yield Diagnosis(cause=Cause.NODE_LOST, message=f"pod {pod.name} lost its node: {pod.message}")
    elif pod.phase == "Failed" and pod.reason.startswith("OutOf"):
        yield Diagnosis(cause=Cause.NODE_FAILING, message=f"pod {pod.name} was turned away: {pod.message}")
    if pod.phase == "Failed":
        for it in pod.containers:
            if it.ended and _NOT_STARTED.search(it.ended.message):
                message = f"the node could not start {it.name} of pod {pod.name}: {it.ended.message}"
                yield Diagnosis(cause=Cause.NODE_FAILING, message=message)
    if "Insufficient memory" in pod.unschedulable:
        room = max((node.memory for node in nodes), default=0)
        yield Diagnosis(
            cause=Cause.HOST_MEMORY,
            message=f"pod {pod.name} finds no room: {pod.unschedulable} It asks for {pod.memory // _MIB} MiB of the "
            f"{room // _MIB} MiB that the node has for all pods",
            hopeless=pod.memory > room,
        )
    elif _NO_ROOM.search(pod.unschedulable):
        yield Diagnosis(cause=Cause.HOST_BUSY, message=f"pod {pod.name} finds no room: {pod.unschedulable}")


def _of_values(pod: Pod, *, late: bool) -> Iterator[Diagnosis]:
    """What values, or an admission of others, did to a pod of the operator's: neither a chart nor a run sets limits, or
    has further containers. A limit of processors explains only what came too `late`.
    """
    if not any(is_own_container(it.name) for it in pod.containers):
        return
    for it in pod.containers:
        ended = it.ended or it.last
        limit = it.limits.get("memory")
        if is_own_container(it.name):
            if limit and ended and ended.reason == "OOMKilled":
                message = f"container {it.name} of pod {pod.name} ran out of the {limit} that it may have"
                yield Diagnosis(cause=Cause.USERS_VALUES, message=message)
            if late and is_little_cpu(share := it.limits.get("cpu")):
                message = f"container {it.name} of pod {pod.name} may use {share} of a processor, and was too slow"
                yield Diagnosis(cause=Cause.USERS_VALUES, message=message)
        elif it.state in ("waiting", "terminated") and ended and ended.exit_code:
            message = f"container {it.name} of pod {pod.name}, which is not the operator's own, does not run: {ended}"
            yield Diagnosis(cause=Cause.USERS_VALUES, message=message)


def _of_pulls(seen: Surroundings, judged: Judged) -> Iterator[Diagnosis]:
    """Pulls that failed through no fault of the release, as pods that still wait and events tell them.

    Nothing is said while a pod waits for an image that cannot be had: that proves something, whatever else failed.
    """
    told = by_object(seen.events)
    waiting = [
        (f"Pod/{pod.name}", judged(failure))
        for pod in seen.pods
        for it in pod.waiting_containers
        if (failure := waiting_pulls.of_container(it, told.get(f"Pod/{pod.name}", ())))
    ]
    if any(failure.is_releases_fault for _, failure in waiting):
        return
    passing = [
        (it.about, judged(waiting_pulls.without_secrets(failure, told[it.about])))
        for it in seen.events
        if (failure := pull_messages.of_event(it.reason, it.message))
    ]
    for about, failure in (*waiting, *passing):
        if not failure.is_releases_fault:
            cause = _OF_KIND.get(failure.kind) or _OF_PULL[failure.fault]
            yield Diagnosis(
                cause=cause,
                message=f"{failure.words}: {about}: {failure.answer}",
                hopeless=not failure.waiting_helps,
                pull=failure,
            )


def _memory(host: HostSeen) -> str:
    return f"{host.memory_available // _MIB} MiB are available on the host"
