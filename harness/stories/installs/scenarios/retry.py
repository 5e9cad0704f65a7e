# SPDX-License-Identifier: Apache-2.0
"""retry: an application that always fails is tried again as often as its restart policy says, and ends FAILED."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import Course, until_end
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.apps.pods import LABEL_SUBMISSION, by_role
from harness.apps.states import State
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed
from harness.wording import counted

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="retry",
    summary="a failing application is retried, its attempts are counted, and it ends FAILED",
    images=(_VALUES.spark.image,),
    takes_for_granted=("webhook",),
)

_ATTEMPT = (State.SUBMITTED, State.RUNNING, State.FAILING)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Submit a program that exits with a known status, and follow it through all of its attempts."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    attempts = _VALUES.retries + 1
    (made,) = objects.create(samples.render(ctx, "retry"))
    course = until_end(ctx, objects, made)
    yield claims.states(course, (*_ATTEMPT, *((State.PENDING_RERUN, *_ATTEMPT) * _VALUES.retries), State.FAILED))
    yield _attempts(course, attempts)
    yield _drivers(course, attempts)
    yield _reason(course)
    wanted = ("SparkApplicationSubmitted", "SparkDriverFailed", "SparkApplicationPendingRerun")
    yield awaited.events(ctx, objects, course.last.name, wanted, executors=False)


def _attempts(course: Course, attempts: int) -> Finding:
    seen = {"executionAttempts": course.last.execution_attempts, "submissionAttempts": course.last.submission_attempts}
    make = passed if set(seen.values()) == {attempts} else failed
    return make("attempts", f"the status counts {seen}, the policy allows {attempts} attempts", **seen)


def _drivers(course: Course, attempts: int) -> Finding:
    drivers = by_role(course.pods.values(), "driver")
    submissions = sorted({pod.labels.get(LABEL_SUBMISSION, "") for pod in drivers})
    make = passed if len(drivers) == len(submissions) == attempts else failed
    return make(
        "a-driver-an-attempt",
        f"attempts: {attempts}, driver pods seen: {len(drivers)}, of {counted(len(submissions), 'submission')}",
        submissions=submissions,
    )


def _reason(course: Course) -> Finding:
    wanted = f"ExitCode: {_VALUES.exit_status}"
    make = passed if wanted in course.last.error else failed
    return make("reason", f"the status says: {course.last.error or '(nothing)'}", wanted=wanted)
