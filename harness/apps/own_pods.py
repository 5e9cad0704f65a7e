# SPDX-License-Identifier: Apache-2.0
"""What of an application's pods is no doing of the operator's: images that it names, init containers that end in vain.

Pure: from the manifest and from what was seen of its pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from harness.apps.pods import MEMORY, SparkPod, java_memory
from harness.apps.users import UserManifest
from harness.errors import SettingsError, UsageError
from harness.images.references import ImageReference
from harness.kube import waiting_pulls
from harness.kube.amounts import amount
from harness.kube.models import Container, Ended
from harness.kube.pull_messages import PullFailure

_WORKER_ENDED = "Python worker exited unexpectedly"
"""The words of org.apache.spark.api.python.BasePythonRunner."""

_NOT_LET = re.compile(
    r"(?:AccessDeniedException: |FileSystemException: |FileNotFoundException: |(?:PermissionError|OSError): [^\n']*')"
    r"(?P<path>[^\s':]+)(?=$|[\s':]| \()"
    r"|Failed to create a temp directory \(under (?P<folder>[^)\s]+)\)"
)
_WHY_NOT = re.compile(
    r"AccessDeniedException|PermissionError|Permission denied|Read-only file system|create a temp directory"
)
"""The words of java.nio.file, java.io, CPython and org.apache.spark.network.util.JavaUtils where a program may not
write, or not read, one of its files."""

CRASHES = 2
"""So often an init container ends in vain until nobody waits any longer: what it waits for may come late once."""

_NO_PROGRAM = re.compile(r"executable file not found|exec format error|exec: .{0,300}?no such file or directory")
"""The words of runc and of the kernel where an image has not the program to be started, or not for this node."""


@dataclass(frozen=True, kw_only=True)
class InVain:
    """An init container that ended with an error, `times` so far, so that Spark's own container was not started."""

    pod: SparkPod
    container: Container
    ended: Ended
    times: int

    def __str__(self) -> str:
        often = f", {self.times} times so far" if self.times > 1 else ""
        return f"the init container {self.container.name} of pod {self.pod.name} ends in vain, {self.ended}{often}"


def in_vain(pods: Iterable[SparkPod]) -> list[InVain]:
    """The init containers of these pods that ended with an error, and because of which Spark has not started.

    The operator brings none of its own: they are the application's, or those of the cluster's admission.
    """
    found = []
    for pod in pods:
        for it in () if pod.started_at else pod.containers:
            ended = it.ended or it.last
            if it.init and ended is not None and ended.exit_code:
                found.append(InVain(pod=pod, container=it, ended=ended, times=it.restarts + (it.state != "running")))
    return found


def lacking_image(it: UserManifest, pulls: Iterable[PullFailure]) -> str:
    """What the manifest names as an image and cannot be had, with the registry's answer; empty where there is none.

    An image that it does not name, and that a pod of it has nevertheless, is not its own.
    """
    return next((f"the image {one.image}: {one}" for one in pulls if _canonical(one.image) in it.images), "")


def pulls_of(pods: Iterable[SparkPod]) -> list[PullFailure]:
    """Why containers of these pods that wait have no image, as far as the pods tell."""
    told = (waiting_pulls.of_container(one, ()) for pod in pods for one in pod.waiting_containers)
    return [one for one in told if one is not None]


def blamed(it: UserManifest, pods: Iterable[SparkPod], said: str = "") -> str:
    """Why an application with these pods cannot have run, whatever the operator did; empty where nothing is known.

    `said` is what ended its driver, by its log.
    """
    seen = list(pods)
    if failed := in_vain(seen):
        return str(failed[-1])
    if short := next(filter(None, (_short_of_memory(it, pod, said) for pod in reversed(seen))), ""):
        return short
    if path := next(filter(None, (_not_let(it, pod, said) for pod in reversed(seen))), ""):
        return f"its securityContext, which its pod has as it is written, does not let it use {path} of its image"
    for pod in reversed(seen):
        for one in pod.containers:
            words = one.ended.message if one.ended else one.message if one.waits else ""
            if _NO_PROGRAM.search(words) and _canonical(one.image) in it.images:
                return f"its image {one.image} has not the program that is to be started: {words}"
    return ""


def _short_of_memory(it: UserManifest, pod: SparkPod, said: str) -> str:
    """What a pod says that ended for want of memory though it had what its specification gives it; else empty."""
    if not pod.containers:
        return ""
    container = pod.main
    ended = container.ended or container.last
    killed = ended is not None and ended.reason == "OOMKilled"
    of_driver = pod.role == "driver" and "OutOfMemoryError" in said
    worker = pod.role == "executor" and _WORKER_ENDED in said
    if not (killed or of_driver or worker):
        return ""
    part = it.spec.get(pod.role) or {}
    memory = str(part.get("memory") or MEMORY)
    try:
        asked = java_memory(memory) + (java_memory(str(part["memoryOverhead"])) if part.get("memoryOverhead") else 0)
    except (ValueError, ArithmeticError):
        return ""
    had = amount(container.limits.get("memory"))
    if had is None or had < asked:
        return ""
    if worker and not killed:
        # The kernel ends the process of the container that needs the most, and the container goes on.
        return f"a Python worker of its executors was ended, as for want of memory, with {memory} in its specification"
    how = f"was {ended}" if killed else f"ended with {said}"
    return f"its {pod.role} needs more memory than the {memory} of its specification: {how}"


def _not_let(it: UserManifest, pod: SparkPod, said: str) -> str:
    """The file that a pod's program may not use, being who its specification says; else empty.

    A file of a mount may be brought by the operator, and so may who a container is: its pod has to have just that.
    """
    part = it.spec.get(pod.role) or {}
    own, whole = (part.get(key) or {} for key in ("securityContext", "podSecurityContext"))
    found = _NOT_LET.search(said) if _WHY_NOT.search(said) else None
    if not (own or whole) or found is None or not pod.containers:
        return ""
    given = {**dict(pod.security), **dict(pod.main.security)}
    used = found["path"] or found["folder"]
    mounted = any(f"{used}/".startswith(f"{path.rstrip('/')}/") for path in pod.main.mounts.values())
    as_written = all(given.get(key) == value for key, value in {**whole, **own}.items())
    return str(used) if as_written and not mounted else ""


def _canonical(name: str) -> str:
    try:
        return ImageReference.parse(name).canonical
    except (UsageError, SettingsError):
        return ""
