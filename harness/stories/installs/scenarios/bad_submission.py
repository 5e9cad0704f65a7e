# SPDX-License-Identifier: Apache-2.0
"""bad-submission: what spark-submit refuses is tried again, ends FAILED with spark-submit's words, and makes no pod."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import Course, until_end
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.apps.states import State
from harness.apps.trial import trial
from harness.kube.models import Event
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="bad-submission",
    summary="an application that spark-submit rejects ends FAILED after SUBMISSION_FAILED, and never gets a driver pod",
)

_SPARK_SAYS = "spark.kubernetes.file.upload.path"
"""The setting that spark-submit asks for when a program is a local file of the submitting side."""


def run(ctx: ScenarioContext) -> list[Finding]:
    """Submit a program that spark-submit cannot take, and follow it through its attempts."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    (made,) = objects.create(samples.render(ctx, "bad-submission"))
    course = until_end(ctx, objects, made)
    yield claims.states(course, (State.SUBMISSION_FAILED, State.FAILED))
    yield _attempts(course)
    yield _reason(course)
    yield _no_pod(course, objects, objects.events())
    wanted = ("SparkApplicationSubmissionFailed", "SparkApplicationFailed")
    yield awaited.events(ctx, objects, course.last.name, wanted, executors=False)


def _attempts(course: Course) -> Finding:
    seen = {"submissionAttempts": course.last.submission_attempts, "executionAttempts": course.last.execution_attempts}
    wanted = {"submissionAttempts": _VALUES.retries + 1, "executionAttempts": 0}
    make = passed if seen == wanted else failed
    return make("attempts", f"the status counts {seen}, the policy means {wanted}", **seen)


def _reason(course: Course) -> Finding:
    make = passed if _SPARK_SAYS in course.last.error else failed
    told = f"the status says: {course.last.cause or '(nothing)'}"
    return make("reason", told, wanted=_SPARK_SAYS, error=course.last.error)


def _no_pod(course: Course, objects: Objects, events: list[Event]) -> Finding:
    """No pod was ever made: none was seen, none is there, and the cluster tells of none."""
    seen = {pod.name for pod in (*course.pods.values(), *objects.spark_pods())}
    told = {event.about for event in events if event.about.startswith("Pod/")}
    if seen or told:
        return failed("no-driver-pod", f"there were pods: {', '.join(sorted(seen | told))}")
    return passed("no-driver-pod", "no pod was seen, and no event mentions one", events=len(events))
