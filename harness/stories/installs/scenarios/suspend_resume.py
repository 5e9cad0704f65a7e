# SPDX-License-Identifier: Apache-2.0
"""suspend-resume: a running application lets go of its pods when suspended, and runs to its end when resumed."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import Course, follow, submitted
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import APPLICATION, Objects
from harness.apps.pods import LABEL_SUBMISSION, by_role
from harness.apps.states import TERMINAL, State
from harness.apps.trial import trial
from harness.errors import WaitTimeout
from harness.matrix.facts import SUSPEND
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed
from harness.waiting import pause, until
from harness.wording import counted

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="suspend-resume",
    summary="suspending stops a running application, and resuming runs it again",
    timeout=700.0,
    needs_features=(SUSPEND,),
    images=(_VALUES.spark.image,),
    takes_for_granted=("webhook",),
)

_SECONDS = 240.0
_GRACE_SECONDS = 40.0
"""A pod may take 30 s to end."""

_STILL_SECONDS = 3.0
"""How long a suspended application is watched for staying so: the operator reacts to a change within a second."""

_STATES = (
    State.SUBMITTED,
    State.RUNNING,
    State.SUSPENDING,
    State.SUSPENDED,
    State.RESUMING,
    State.SUBMITTED,
    State.RUNNING,
    State.COMPLETED,
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Suspend an application while its executor works, look at what is left, resume it."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    (made,) = objects.create(samples.render(ctx, "suspend-resume"))
    course = submitted(made)
    name = course.last.name
    follow(ctx, objects, name, _executor_runs, what="a running executor", seconds=_SECONDS, course=course)
    if course.last.state in TERMINAL:
        yield claims.states(course, _STATES)
        return
    objects.patch(APPLICATION, name, {"spec": {"suspend": True}})
    follow(
        ctx,
        objects,
        name,
        lambda seen: seen.last.state is State.SUSPENDED,
        what=f"{name} to be suspended",
        seconds=_SECONDS,
        course=course,
    )
    yield _released(ctx, objects)
    yield _stays(objects, name)
    objects.patch(APPLICATION, name, {"spec": {"suspend": False}})
    follow(ctx, objects, name, lambda _: False, what=f"the end of {name}", seconds=_SECONDS, course=course)
    yield claims.states(course, _STATES)
    yield _second_driver(course)
    log = pod_log(objects.core, ctx.namespace, course.last.driver_pod)
    yield claims.said("resumed-run-works", log, "held", f"{_VALUES.hold_seconds:g} s")
    wanted = (
        "SparkApplicationSuspending",
        "SparkApplicationSuspended",
        "SparkApplicationResuming",
        "SparkDriverCompleted",
    )
    yield awaited.events(ctx, objects, name, wanted)


def _executor_runs(course: Course) -> bool:
    return course.last.state is State.RUNNING and "RUNNING" in course.last.executors.values()


def _released(ctx: ScenarioContext, objects: Objects) -> Finding:
    """A suspended application takes no room: its pods are gone, or have ended at least."""
    try:
        until(
            objects.spark_pods,
            lambda pods: not any(pod.phase in ("Pending", "Running") for pod in pods),
            what="the pods of the suspended application to end",
            timeout=ctx.within(_GRACE_SECONDS),
        )
    except WaitTimeout as late:
        return failed("pods-released", f"a suspended application still holds pods: {late.last_seen}")
    left = [str(pod) for pod in objects.spark_pods()]
    return passed("pods-released", f"no pod runs; {', '.join(left) or 'none'} left", left=left)


def _stays(objects: Objects, name: str) -> Finding:
    """Suspended means that nothing happens by itself."""
    pause(_STILL_SECONDS, what=f"watching {name} stay suspended")
    raw = objects.get(APPLICATION, name) or {}
    state = raw.get("status", {}).get("applicationState", {}).get("state")
    running = [str(pod) for pod in objects.spark_pods() if pod.is_live]
    if state != State.SUSPENDED or running:
        return failed("stays-suspended", f"after {_STILL_SECONDS:g} s it is {state}, with {running or 'no'} pods")
    return passed("stays-suspended", f"still SUSPENDED without pods after {_STILL_SECONDS:g} s")


def _second_driver(course: Course) -> Finding:
    submissions = {pod.labels.get(LABEL_SUBMISSION, "") for pod in by_role(course.pods.values(), "driver")}
    make = passed if len(submissions) == 2 else failed
    return make(
        "new-driver",
        f"driver pods of {counted(len(submissions), 'submission')} were seen",
        submissions=sorted(submissions),
    )
