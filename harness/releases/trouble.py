# SPDX-License-Identifier: Apache-2.0
"""Why an operator does not start, read from its pods: the image, the registry's answer, the crash, the scheduler.

Pure: from pods and events to a diagnosis.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.kube import waiting_pulls
from harness.kube.models import Container, Event, Pod, by_object
from harness.kube.pull_messages import PullFailure


class Kind(StrEnum):
    """What sort of trouble, the gravest first."""

    PULL = "pull"
    CRASH = "crash"
    CONTAINER = "container"
    SET_UP = "set-up"
    UNSCHEDULABLE = "unschedulable"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A diagnosis. `final` says that waiting longer cannot help. `pod` and `container` tell where to look.

    `pull` is what is known of an image that cannot be pulled, None for any other trouble.
    """

    kind: Kind
    message: str
    final: bool
    pod: str
    container: str = ""
    pull: PullFailure | None = None


_NO_SUCH_NODE = re.compile(r"didn't match Pod's node affinity/selector|had untolerated taint|didn't match pod topology")
"""The scheduler's words for what no node has (kube-scheduler: nodeaffinity, tainttoleration, podtopologyspread)."""

_NODE_NOT_READY = re.compile(r"\{node\.(cloudprovider\.)?kubernetes\.io/|\bwere unschedulable\b")
"""The scheduler's words for nodes that may take pods again: Kubernetes taints them itself (not-ready, disk-pressure and
others of its own, kubernetes.io/docs/reference/labels-annotations-taints), and somebody has cordoned them."""

_CONTAINER_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NOT_SYNCED = re.compile(r"failed to sync (configmap|secret) cache")
"""The kubelet has not got to know what there is yet, and tries again."""

_CRASHES_BEFORE_FINAL = 2

_REJECTED = ("AppArmor", "PodFeatureUnsupported", "SupplementalGroupsPolicyNotSupported", "SysctlForbidden")
"""Why a kubelet turns a pod away that will never fit its node (kubernetes, pkg/kubelet/sysctl and lifecycle)."""
_NOT_SET_UP = ("FailedAttachVolume", "FailedCreatePodSandBox", "FailedMapVolume", "FailedMount")
"""The events of a pod whose containers the kubelet cannot begin with (kubernetes, pkg/kubelet/events)."""


def diagnose(pods: Iterable[Pod], events: Iterable[Event] = ()) -> Trouble | None:
    """The gravest trouble of these pods, a final one before others; None when nothing is wrong (yet).

    Of final ones, those that the release is to blame for come first: the others prove nothing. `events` are of the
    pods' namespace, oldest first.
    """
    told = by_object(events)
    found = [trouble for pod in pods if not pod.leaving for trouble in _of_pod(pod, told.get(f"Pod/{pod.name}", ()))]
    return min(found, key=_gravity, default=None)


def not_set_up(pods: Iterable[Pod], events: Iterable[Event]) -> Trouble | None:
    """Why a pod that has its node is still without a container: a volume, or the sandbox; None where nothing is told.

    The kubelet tries again and tells it each time, so that this explains only what has come too late.
    """
    told = by_object(events)
    for pod in pods:
        if pod.leaving or not pod.node or not pod.containers or any(it.state != "waiting" for it in pod.containers):
            continue
        said = [it.message for it in told.get(f"Pod/{pod.name}", ()) if it.reason in _NOT_SET_UP]
        if said:
            message = f"pod {pod.name} cannot be set up: {said[-1]}"
            return Trouble(kind=Kind.SET_UP, message=message, final=False, pod=pod.name)
    return None


def no_such_node(said: str) -> bool:
    """Whether a scheduler says that no node is of the kind that a pod asks for, whatever room there is.

    What is said of a node that is not ready at the moment passes.
    """
    return bool(_NO_SUCH_NODE.search(said)) and "Insufficient" not in said and not _NODE_NOT_READY.search(said)


def _gravity(it: Trouble) -> tuple[bool, bool, int, bool]:
    proves_nothing = it.pull is not None and not it.pull.is_releases_fault
    return not it.final, it.final and proves_nothing, list(Kind).index(it.kind), proves_nothing


def _of_pod(pod: Pod, events: Sequence[Event]) -> Iterable[Trouble]:
    if pod.unschedulable:
        yield Trouble(
            kind=Kind.UNSCHEDULABLE,
            message=f"pod {pod.name} cannot be scheduled: {pod.unschedulable}",
            # Nodes neither come nor change; room may come.
            final=no_such_node(pod.unschedulable),
            pod=pod.name,
        )
    if pod.phase == "Failed" and pod.reason in _REJECTED:
        message = f"pod {pod.name} cannot be set up: {pod.message}"
        yield Trouble(kind=Kind.SET_UP, message=message, final=True, pod=pod.name)
    for container in pod.containers:
        pull = waiting_pulls.of_container(container, events)
        if pull is not None:
            yield Trouble(
                kind=Kind.PULL,
                message=f"the image {container.image} of pod {pod.name} cannot be pulled: {pull}",
                final=not pull.waiting_helps,
                pod=pod.name,
                container=container.name,
                pull=pull,
            )
        elif container.state == "waiting" and container.reason in _CONTAINER_REASONS:
            yield Trouble(
                kind=Kind.CONTAINER,
                message=f"container {container.name} of pod {pod.name} cannot be started: {container.message}",
                final=container.reason == "CreateContainerConfigError" and not _NOT_SYNCED.search(container.message),
                pod=pod.name,
                container=container.name,
            )
        elif _crashes(container):
            yield Trouble(
                kind=Kind.CRASH,
                message=(
                    f"container {container.name} of pod {pod.name} crashes: {container.restarts} restarts, "
                    f"last {container.last_exit or container.reason or 'exit unknown'}"
                ),
                final=container.restarts >= _CRASHES_BEFORE_FINAL,
                pod=pod.name,
                container=container.name,
            )


def _crashes(container: Container) -> bool:
    """Whether it has been started anew, or is about to be: init containers also run again with their pod's sandbox."""
    again = container.restarts > 0 or container.reason == "CrashLoopBackOff"
    return again and not (container.init and container.last is not None and container.last.exit_code == 0)
