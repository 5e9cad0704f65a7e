# SPDX-License-Identifier: Apache-2.0
"""What the kubelet makes of a pull: the pod's reason, the words of its events, how long it takes to recover."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from harness.errors import ApiError, WaitTimeout
from harness.kube import reading
from harness.kube.api import listed
from harness.kube.models import Event, Pod
from harness.late import client
from harness.waiting import Deadline, until

if TYPE_CHECKING:
    from harness.stories.registries.context import PullContext

_LOOK = 0.25
_EVENT_SECONDS = 20.0

REASONS = ("ErrImagePull", "ImagePullBackOff")
"""What a container waits with, in turns."""

Belongs = Callable[[Pod], bool]
"""Whether a pod is the one that is being looked for."""


@dataclass(frozen=True, kw_only=True)
class Stuck:
    """A pod whose image cannot be pulled. `reasons` are those that it was seen waiting with, `message` the first event
    `Failed`, `others` further warnings; `after` are seconds from the pod's creation to that event.
    """

    pod: str
    uid: str
    image: str
    reasons: tuple[str, ...]
    message: str
    others: tuple[str, ...] = ()
    after: float = 0.0


def pods(ctx: PullContext, namespace: str) -> list[Pod]:
    """The pods of a namespace. Raises ApiError."""
    with ctx.api() as api:
        items = listed(client.CoreV1Api(api).list_namespaced_pod, namespace)
    return [reading.pod(it) for it in items]


def uids(ctx: PullContext, namespace: str) -> frozenset[str]:
    """Those that are there already."""
    return frozenset(it.uid for it in pods(ctx, namespace))


def await_stuck(
    ctx: PullContext,
    namespace: str,
    belongs: Belongs,
    *,
    what: str,
    reason: str = REASONS[-1],
    seconds: float = 90.0,
) -> Stuck:
    """Wait until a pod waits for an image that cannot be pulled, and has been seen to do so with this reason.

    The first is ErrImagePull; ImagePullBackOff follows when the kubelet looks at the pod again, after ten seconds or
    so. Raises WaitTimeout with what there is.
    """
    reasons: dict[str, None] = {}

    def look() -> tuple[Pod | None, str]:
        found = [it for it in pods(ctx, namespace) if belongs(it) and not it.leaving]
        for pod in found:
            for container in pod.containers:
                if container.state == "waiting" and container.reason in REASONS:
                    reasons[container.reason] = None
                    if container.reason in (reason, REASONS[-1]):
                        return pod, container.image
        return None, "; ".join(_in_words(it) for it in found) or "no such pod"

    pod, image = until(
        look,
        lambda it: it[0] is not None,
        what=f"{what} to wait for its image",
        timeout=ctx.within(seconds),
        interval=_LOOK,
        ignore=(ApiError,),
    )
    assert pod is not None  # noqa: S101 - the wait ends with one
    events = until(
        lambda: events_of(ctx, namespace, pod.uid),
        lambda found: any(it.reason == "Failed" for it in found),
        what=f"an event about {pod.name}",
        timeout=ctx.within(_EVENT_SECONDS),
        interval=_LOOK,
        ignore=(ApiError,),
    )
    failures = [it for it in events if it.reason == "Failed" and it.message.startswith("Failed to pull image")]
    others = [f"{it.reason}: {it.message}" for it in events if it.kind == "Warning" and it not in failures]
    return Stuck(
        pod=pod.name,
        uid=pod.uid,
        image=image,
        reasons=tuple(reasons),
        message=failures[0].message if failures else "",
        others=tuple(dict.fromkeys(others)),
        after=(failures[0].first - pod.created).total_seconds() if failures else 0.0,
    )


def await_started(ctx: PullContext, namespace: str, uid: str, *, what: str, seconds: float = 150.0) -> float:
    """Wait until the pod's container has been started; seconds from now until then. Raises WaitTimeout."""
    clock = Deadline(seconds=seconds)

    def look() -> str:
        pod = next((it for it in pods(ctx, namespace) if it.uid == uid), None)
        return _in_words(pod) if pod else "the pod is gone"

    until(
        look,
        lambda it: it.startswith(("running", "terminated")) or it == "the pod is gone",
        what=f"{what} to start",
        timeout=ctx.within(seconds),
        interval=_LOOK,
        ignore=(ApiError,),
    )
    return round(clock.elapsed, 1)


def events_of(ctx: PullContext, namespace: str, uid: str) -> list[Event]:
    """The events about a pod, in the order in which they first happened. Raises ApiError."""
    with ctx.api() as api:
        call = client.CoreV1Api(api).list_namespaced_event
        found = reading.events(listed(call, namespace, field_selector=f"involvedObject.uid={uid}"))
    return sorted(found, key=lambda it: it.first)


def says(stuck: Stuck, pattern: str) -> str:
    """Why this is not what the catalogue has measured; empty when it is."""
    if not stuck.message:
        return f"there is no event 'Failed to pull image' about {stuck.pod}"
    if not re.search(pattern, stuck.message):
        return f"the event says {stuck.message!r}, which does not match {pattern!r}"
    return ""


def started_pods(found: Sequence[Pod], belongs: Belongs) -> list[Pod]:
    """Those of the wanted pods that run."""
    return [it for it in found if belongs(it) and _in_words(it).startswith("running")]


def await_running(ctx: PullContext, namespace: str, belongs: Belongs, *, what: str, seconds: float = 120.0) -> Pod:
    """Wait until such a pod runs. Raises WaitTimeout that tells why none does."""

    def look() -> list[Pod]:
        found = pods(ctx, namespace)
        words.clear()
        words.extend(f"{it.name} {_in_words(it)}" for it in found if belongs(it))
        return started_pods(found, belongs)

    words: list[str] = []
    try:
        return until(look, what=f"{what} to run", timeout=ctx.within(seconds), interval=_LOOK, ignore=(ApiError,))[0]
    except WaitTimeout as late:
        raise WaitTimeout(f"{late.message}; pods: {'; '.join(words) or 'none'}", late.next_step) from late


def await_again(ctx: PullContext, namespace: str, before: Mapping[str, int], *, seconds: float) -> list[str]:
    """Wait until all pods run in another incarnation than `before`, restarts by UID; their names. Raises WaitTimeout.

    What is waited for is also that the API server, which went down with the node, answers.
    """

    def look() -> list[Pod]:
        return pods(ctx, namespace)

    found = until(
        look,
        lambda seen_now: (
            bool(seen_now)
            and all(
                it.restarts > before.get(it.uid, -1) and not it.leaving and all(one.ready for one in it.containers)
                for it in seen_now
            )
        ),
        what="the pods of the operator to run again",
        timeout=ctx.within(seconds),
        interval=1.0,
        ignore=(ApiError,),
    )
    return [it.name for it in found]


def _in_words(pod: Pod) -> str:
    states = [it for it in pod.containers if not it.init]
    first = states[0] if states else None
    return f"{first.state or pod.phase} {first.reason} {first.message}".strip() if first else pod.phase
