# SPDX-License-Identifier: Apache-2.0
"""Claims that several scenarios make: pure functions from what was observed to a finding."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from harness import causes
from harness.apps import logs
from harness.apps.applications import Course
from harness.apps.pods import SparkPod, by_role
from harness.apps.states import State, forbidden_step, in_order, shown
from harness.kube.models import Event
from harness.verdicts import Finding, errored, failed, passed

SUCCESS = (State.SUBMITTED, State.RUNNING, State.COMPLETED)
"""What an application that works goes through."""

SUCCESS_EVENTS = ("SparkApplicationSubmitted", "SparkDriverRunning", "SparkDriverCompleted")

REWRITTEN = "same_image_elsewhere"
"""Evidence of pods that are wrong only in that their image, of the same name and tag, is from another registry."""


def states(course: Course, wanted: Sequence[State] = SUCCESS) -> Finding:
    """The application went through the wanted states, ended in the last one, and made no step that cannot be.

    What a watch that was broken off may have missed proves nothing.
    """
    seen = {"history": [str(state) for state in course.history], "error": course.last.error}
    step, arrived = forbidden_step(course.history), course.last.state is wanted[-1]
    if course.interrupted and arrived and (step or not in_order(course.history, wanted)):
        return errored("states", f"the watch was broken off, so that states may have passed unseen: {course}", **seen)
    if step and not course.interrupted:
        return failed("states", f"{shown(step)} is not a transition of the state machine: {course}", **seen)
    if not arrived or not in_order(course.history, wanted):
        expected = " → ".join(wanted)
        why = f"{course.cause}; " if course.cause else ""
        return failed("states", f"{why}expected {expected}, saw {course}", **seen)
    return passed("states", str(course), **seen)


def pi(log: str) -> Finding:
    """The driver printed a number near π."""
    number = logs.pi_of(log)
    if number is None:
        why = causes.found(log)
        message = f"{f'{why}; ' if why else ''}the driver's log has no line 'Pi is roughly …'"
        return failed("pi", message, log_end=logs.tail(log))
    error = abs(number - math.pi)
    make = passed if error <= logs.PI_TOLERANCE else failed
    return make("pi", f"the driver printed {number}, {error:.4f} from π", value=number, tolerance=logs.PI_TOLERANCE)


def spark_version(log: str, version: str) -> Finding:
    """The Spark that ran is the one that was asked for."""
    seen = logs.spark_version_of(log)
    if seen == version:
        return passed("spark-version", f"the driver's log announces Spark {version}", version=version)
    message = f"Spark {seen}" if seen else "no version"
    return failed("spark-version", f"asked for Spark {version}, the driver's log announces {message}", version=seen)


def pods(
    seen: Iterable[SparkPod], *, image: str, service_account: str, executors: int = 1, owned: bool = True
) -> Finding:
    """There were one driver and so many executors, of the right image, on a node, under the right account.

    Each has an owner, unless it need not be `owned`: up to 2.3.0 it is the webhook that gives a driver one.
    """
    known = list(seen)
    drivers, workers = by_role(known, "driver"), by_role(known, "executor")
    evidence: dict[str, Any] = {"pods": [facts(pod) for pod in known]}
    problems = []
    elsewhere = 0
    if len(drivers) != 1:
        problems.append(f"{len(drivers)} driver pods instead of 1")
    if len(workers) != executors:
        problems.append(f"{len(workers)} executor pods instead of {executors}")
    for pod in (*drivers, *workers):
        if pod.image != image:
            problems.append(f"{pod.name} has the image {pod.image} instead of {image}")
            elsewhere += pod.image.endswith(f"/{image.partition('/')[2]}")
        if pod.service_account != service_account:
            problems.append(f"{pod.name} runs as {pod.service_account} instead of {service_account}")
        if not pod.node:
            problems.append(f"{pod.name} never had a node")
        if owned and not pod.owners:
            problems.append(f"{pod.name} has no owner")
    if problems:
        evidence |= {REWRITTEN: True} if elsewhere == len(problems) else {}
        return failed("pods", "; ".join(problems), **evidence)
    nodes = ", ".join(sorted({pod.node for pod in known}))
    return passed("pods", f"a driver and {executors} executor(s) of {image} ran on {nodes}", **evidence)


def events(
    seen: Iterable[Event], name: str, wanted: Sequence[str] = SUCCESS_EVENTS, *, executors: bool = True
) -> Finding:
    """The operator told about the application in Kubernetes events."""
    about = f"SparkApplication/{name}"
    reasons = [event.reason for event in seen if event.about == about]
    missing = [reason for reason in wanted if reason not in reasons]
    # An executor can be Running before the operator looks for the first time, so Pending need not be told.
    if executors and not any(reason.startswith("SparkExecutor") for reason in reasons):
        missing.append("SparkExecutor…")
    if missing:
        return failed("events", f"no event {', '.join(missing)} about {about}", reasons=reasons)
    return passed("events", f"events about {about}: {', '.join(dict.fromkeys(reasons))}", reasons=reasons)


def said(check: str, log: str, prefix: str, wanted: str) -> Finding:
    """A sample printed a line `prefix: wanted`."""
    values = logs.announced(log, prefix)
    if wanted in values:
        return passed(check, f"the log says '{prefix}: {wanted}'")
    message = f"only says {values}" if values else "has no such line"
    return failed(check, f"the log should say '{prefix}: {wanted}', but {message}", log_end=logs.tail(log))


def facts(pod: SparkPod) -> dict[str, Any]:
    """What a reader wants to know of a pod."""
    return {
        "name": pod.name,
        "role": pod.role,
        "phase": pod.phase,
        "node": pod.node,
        "image": pod.image,
        "imageID": pod.main.image_id,
        "serviceAccount": pod.service_account,
        "owners": list(pod.owners),
        **({"waiting": pod.waiting} if pod.waiting else {}),
    }
