# SPDX-License-Identifier: Apache-2.0
"""SparkApplications: what their status says, and how to follow one until it is where it should be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness import causes
from harness.apps import states
from harness.apps.context import ScenarioContext
from harness.apps.logs import driver_cause
from harness.apps.objects import APPLICATION, Objects
from harness.apps.pods import LABEL_SCHEDULE, SparkPod
from harness.apps.states import TERMINAL, State, shown
from harness.errors import ApiError, WaitTimeout
from harness.kube import waiting_pulls
from harness.kube.models import by_object
from harness.kube.pull_messages import PullFailure
from harness.kube.watching import watch_until
from harness.verdicts import Finding, errored, failed

_LOOKS_AFTER_NO = 2
_LOOKS = 8
"""Looks, about five seconds apart."""


@dataclass(frozen=True, kw_only=True)
class Application:
    """A SparkApplication as the API showed it last, `raw`. `executors` maps a pod's name to its state."""

    name: str
    uid: str
    version: str
    state: State
    error: str = ""
    submission: str = ""
    driver_pod: str = ""
    execution_attempts: int = 0
    submission_attempts: int = 0
    termination: str = ""
    executors: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.state or '(no state yet)'}{f': {self.cause}' if self.cause else ''}"

    @property
    def cause(self) -> str:
        """What its error message says went wrong, in a line; empty where it has none. `error` is the whole."""
        return causes.told(self.error, "")


@dataclass
class Course:
    """What was seen of one application: every state in order, and every pod as it was last seen.

    `driver_said` is the cause that the log of a failed driver names, empty where it names none. `interrupted` is
    whether the watch had to begin anew at another version, so that states may have passed unseen.
    """

    application: Application | None = None
    history: list[State] = field(default_factory=list)
    pods: dict[str, SparkPod] = field(default_factory=dict)
    deleted: bool = False
    driver_said: str = ""
    interrupted: bool = False

    def note(self, event: str, application: Application, pods: Sequence[SparkPod]) -> None:
        """Add one look at the application and its pods."""
        known = self.application
        # What is known already comes as ADDED only from a list, with which a watch begins.
        if known and event == "ADDED" and known.uid == application.uid and known.version != application.version:
            self.interrupted = True
        self.application = application
        self.deleted = event == "DELETED"
        if not self.history or self.history[-1] is not application.state:
            self.history.append(application.state)
        for pod in pods:
            # A pod that is being taken away has lost what made it interesting: keep the look before, unless it is from
            # before the pod had a node.
            before = self.pods.get(pod.uid)
            if not pod.leaving or before is None or not before.node:
                self.pods[pod.uid] = pod

    @property
    def last(self) -> Application:
        """The application as last seen. Raises LookupError when it never was."""
        if self.application is None:
            raise LookupError("the application was never seen")
        return self.application

    @property
    def cause(self) -> str:
        """What went wrong, in a line: what the driver said, then what the operator says; empty where neither did."""
        return "; ".join(filter(None, (self.driver_said, self.last.cause)))

    def __str__(self) -> str:
        return f"{shown(self.history)}{', then deleted' if self.deleted else ''}"


def parse(raw: Mapping[str, Any]) -> Application:
    """Read a SparkApplication; a state that this harness does not know counts as UNKNOWN."""
    metadata, status = raw["metadata"], raw.get("status") or {}
    return Application(
        name=metadata["name"],
        uid=metadata["uid"],
        version=metadata.get("resourceVersion", ""),
        state=states.read(status),
        error=(status.get("applicationState") or {}).get("errorMessage", ""),
        submission=status.get("submissionID", ""),
        driver_pod=(status.get("driverInfo") or {}).get("podName", ""),
        execution_attempts=status.get("executionAttempts", 0),
        submission_attempts=status.get("submissionAttempts", 0),
        termination=status.get("terminationTime") or "",
        executors=status.get("executorState") or {},
        labels=metadata.get("labels") or {},
        raw=raw,
    )


def follow(
    ctx: ScenarioContext,
    objects: Objects,
    name: str,
    until: Callable[[Course], bool],
    *,
    what: str,
    seconds: float,
    course: Course | None = None,
    hopeless: Callable[[], str] | None = None,
) -> Course:
    """Watch an application from where `course` left it (or from the start) until a condition holds of its course.

    The pods are looked at whenever the application changes. An end that was not asked for (COMPLETED, FAILED or a
    deletion) ends the wait too, since nothing more will come: the caller's claims then tell what is wrong. Raises
    WaitTimeout after `seconds`, when the cell's time is up, or when an image cannot be pulled; in the place of that,
    `hopeless` may say when waiting is in vain, and why.
    """
    course = course or Course()

    def look(event: str, raw: Any) -> Course | None:
        course.note(event, parse(raw), of(name, objects.spark_pods()))
        return course if over() else None

    def over() -> bool:
        return until(course) or course.deleted or course.last.state in TERMINAL

    if course.application is not None and over():
        return course
    call, arguments = objects.watched(APPLICATION)
    if course.application is not None:
        arguments |= {"resource_version": course.application.version, "known": [course.application.raw]}
    return watch_until(
        call,
        look,
        what=what,
        timeout=ctx.within(seconds),
        describe=lambda raw: f"{parse(raw)} after {course}",
        seen=f"{course.application} after {course}" if course.application else "no such application",
        next_step=f"kubectl describe sparkapplication -n {objects.namespace} {name}",
        hopeless=hopeless or ImagePulls(objects, name).hopeless,
        named=name,
        **arguments,
    )


def of(owner: str, pods: Sequence[SparkPod]) -> list[SparkPod]:
    """Those of the pods that belong to an application, to a Connect server, or to the runs of a schedule.

    Only the operator's own labels tell: it copies a user's labels to pods, and their values may be names of others.
    """
    return [it for it in pods if owner in (it.application, it.labels.get(LABEL_SCHEDULE))]


class ImagePulls:
    """Notices that a pod waits in vain for its image; with `owner` only those of that object count.

    What cannot pass by itself is looked at once more; anything else is given time.
    """

    def __init__(self, objects: Objects, owner: str = "") -> None:
        self._objects = objects
        self._owner = owner
        self._looks = 0

    def hopeless(self) -> str:
        """Why waiting is in vain, in words; empty as long as it is not. To be asked every few seconds."""
        try:
            stuck = [it for it in pull_failures(self._objects) if not self._owner or of(self._owner, [it[0]])]
        except ApiError:
            return ""
        self._looks = self._looks + 1 if stuck else 0
        for pod, failure in stuck:
            if self._looks >= (_LOOKS if failure.waiting_helps else _LOOKS_AFTER_NO):
                return _in_words(pod, failure)
        return ""


def late(objects: Objects, check: str, error: WaitTimeout, *, owner: str = "", **evidence: Any) -> Finding:
    """What it means that a wait ended in vain: nothing about the product where a pod waits for its image through no
    fault of what was asked for. With `owner` only the pods of that object count.

    Raises ApiError.
    """
    stuck = [it for it in pull_failures(objects) if not owner or of(owner, [it[0]])]
    message = f"{error.message}\n  next: {error.next_step}" if error.next_step else error.message
    if not stuck or any(failure.is_releases_fault for _, failure in stuck):
        return failed(check, message, **evidence)
    pod, failure = stuck[0]
    return errored(check, f"{_in_words(pod, failure)}; {error.message}\n  next: {failure.next_step}", **evidence)


def pull_failures(objects: Objects) -> list[tuple[SparkPod, PullFailure]]:
    """The pods that wait for an image, each with why it is not there. Raises as `Objects` does."""
    of_container = waiting_pulls.of_container
    stuck = [pod for pod in objects.spark_pods() if any(of_container(it, ()) for it in pod.waiting_containers)]
    told = by_object(objects.events() if stuck else ())
    return [
        (pod, failure)
        for pod in stuck
        for it in pod.waiting_containers
        if (failure := of_container(it, told.get(f"Pod/{pod.name}", ())))
    ]


def _in_words(pod: SparkPod, failure: PullFailure) -> str:
    return f"the image {failure.image} of {pod.name} cannot be pulled: {failure}"


def submitted(raw: Mapping[str, Any]) -> Course:
    """The course of an application that has just been created; following it misses no later change."""
    course = Course()
    course.note("ADDED", parse(raw), ())
    return course


def until_end(ctx: ScenarioContext, objects: Objects, raw: Mapping[str, Any], *, seconds: float = 300.0) -> Course:
    """Follow an application that has just been created to COMPLETED or FAILED, then to what its driver says of it."""
    course = submitted(raw)
    name = course.last.name
    course = follow(
        ctx, objects, name, lambda _: False, what=f"the end of SparkApplication {name}", seconds=seconds, course=course
    )
    if course.last.state is State.FAILED:
        last = course.last
        course.driver_said = driver_cause(objects.core, objects.namespace, last.driver_pod, last.error)
    return course


def wait_for_deletion(ctx: ScenarioContext, objects: Objects, course: Course, *, seconds: float) -> bool:
    """Wait until an application is deleted by someone else; whether that happened in `seconds`."""
    name = course.last.name
    call, arguments = objects.watched(APPLICATION)

    def gone(event: str, raw: Any) -> bool | None:
        course.note(event, parse(raw), ())
        return True if event == "DELETED" else None

    try:
        return watch_until(
            call,
            gone,
            what=f"the deletion of SparkApplication {name}",
            timeout=ctx.within(seconds),
            named=name,
            resource_version=course.last.version,
            known=[course.last.raw],
            **arguments,
        )
    except WaitTimeout:
        return objects.get(APPLICATION, name) is None
