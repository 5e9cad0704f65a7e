# SPDX-License-Identifier: Apache-2.0
"""Why an operator does not start, read from its pods: the image, the registry's answer, the crash, the scheduler.

Pure: from pods and events to a diagnosis.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.releases.seen import ContainerSeen, PodSeen


class Kind(StrEnum):
    """What sort of trouble: whose fault it is follows from it."""

    IMAGE_MISSING = "image-missing"
    IMAGE_REFUSED = "image-refused"
    REGISTRY_BUSY = "registry-busy"
    REGISTRY_FAILING = "registry-failing"
    REGISTRY_AWAY = "registry-away"
    IMAGE_OTHER = "image"
    CRASH = "crash"
    CONTAINER = "container"
    UNSCHEDULABLE = "unschedulable"


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A diagnosis. `final` says that waiting longer cannot help. `pod` and `container` tell where to look."""

    kind: Kind
    message: str
    final: bool
    pod: str
    container: str = ""


_PULL_REASONS = ("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable")
_CONTAINER_REASONS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_CRASHES_BEFORE_FINAL = 2


def _status(*codes: int) -> str:
    """A pattern for HTTP statuses: not for ports, tags, addresses and durations with the same digits."""
    return rf"(?:(?<![^\s(=])|(?<=status:)|(?<=code:))(?:{'|'.join(map(str, codes))})(?![^\s:;,.)])(?!\s*[mµn]?s\b)"


_ANSWERS: Sequence[tuple[Kind, str, bool]] = (
    (Kind.REGISTRY_BUSY, rf"{_status(429)}|toomanyrequests|too many requests|rate limit", False),
    (
        Kind.REGISTRY_FAILING,
        r"\b5\d\d (internal server error|bad gateway|service unavailable|gateway time-?out)|status( code)?:? 5\d\d\b",
        False,
    ),
    (Kind.IMAGE_REFUSED, rf"{_status(401, 403)}|unauthorized|denied|authentication required|no basic auth", True),
    (
        Kind.IMAGE_MISSING,
        rf"not found|manifest unknown|name unknown|{_status(404)}|InvalidImageName|ErrImageNeverPull",
        True,
    ),
    (Kind.REGISTRY_AWAY, r"connection refused|no such host|i/o timeout|no route|x509|TLS handshake|unreachable", False),
)


def diagnose(pods: Iterable[PodSeen], pull_events: Iterable[str] = ()) -> Trouble | None:
    """The gravest trouble of these pods, a final one before others; None when nothing is wrong (yet).

    `pull_events` are messages of `Failed` events: a pod in back-off may have lost the registry's answer, its events
    have not.
    """
    events = list(pull_events)
    found = [trouble for pod in pods if not pod.leaving for trouble in _of_pod(pod, events)]
    return min(found, key=lambda it: (not it.final, list(Kind).index(it.kind)), default=None)


def _of_pod(pod: PodSeen, events: Sequence[str]) -> Iterable[Trouble]:
    if pod.unschedulable:
        yield Trouble(
            kind=Kind.UNSCHEDULABLE,
            message=f"pod {pod.name} cannot be scheduled: {pod.unschedulable}",
            final=False,
            pod=pod.name,
        )
    for container in pod.containers:
        if container.state == "waiting" and container.reason in _PULL_REASONS:
            yield _pull(pod, container, events)
        elif container.state == "waiting" and container.reason in _CONTAINER_REASONS:
            yield Trouble(
                kind=Kind.CONTAINER,
                message=f"container {container.name} of pod {pod.name} cannot be started: {container.message}",
                final=container.reason == "CreateContainerConfigError",
                pod=pod.name,
                container=container.name,
            )
        elif not container.init and (container.restarts or container.reason == "CrashLoopBackOff"):
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


def _pull(pod: PodSeen, container: ContainerSeen, events: Sequence[str]) -> Trouble:
    told = [it for it in events if container.image in it]
    said = next((it for it in (container.message, *told) if classify(it)), container.message or container.reason)
    kind, final = classify(said) or classify(container.reason) or (Kind.IMAGE_OTHER, False)
    return Trouble(
        kind=kind,
        message=f"the image {container.image} of pod {pod.name} cannot be pulled: {answer(said)}",
        final=final,
        pod=pod.name,
        container=container.name,
    )


def classify(text: str) -> tuple[Kind, bool] | None:
    """What a registry's answer means, and whether waiting longer is in vain; None for words that nobody knows."""
    # Digests and image names hold digits that look like a status.
    plain = re.sub(r"sha256:[0-9a-f]+|\"[^\"]*\"", "", text)
    return next(((kind, final) for kind, pattern, final in _ANSWERS if re.search(pattern, plain, re.I)), None)


def answer(text: str) -> str:
    """A registry's answer without the wrappings that kubelet and containerd put around it."""
    text = re.sub(r"^.*(?:ErrImagePull|ImagePullBackOff): ", "", text, flags=re.S)
    text = re.sub(r"^Failed to pull image \"[^\"]*\": ", "", text)
    text = re.sub(r"^rpc error: code = (\w+) desc = ", r"\1: ", text)
    return re.sub(r"failed to pull and unpack image \"[^\"]*\": ", "", text).strip()
