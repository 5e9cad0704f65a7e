# SPDX-License-Identifier: Apache-2.0
"""ttl: the operator deletes an application by itself when its time to live is over, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from harness.apps import awaited, claims, samples
from harness.apps.applications import until_end, wait_for_deletion
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="ttl",
    summary="an application with a time to live is deleted when that time is up",
    images=(_VALUES.spark.image,),
    takes_for_granted=("webhook",),
)

_LATE_SECONDS = 15.0
"""How much later than due the operator may be: it asks for a reconciliation at that second, on a loaded host."""

_ROUNDING_SECONDS = 1.0
"""Both the end and the cluster's clock are told in whole seconds."""


def run(ctx: ScenarioContext) -> list[Finding]:
    """Follow an application to its end, and then to its deletion by the operator."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    ttl = _VALUES.time_to_live_seconds
    (made,) = objects.create(samples.render(ctx, "ttl"))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    yield claims.pods(
        course.pods.values(),
        image=ctx.spark_images[_VALUES.spark.version],
        service_account=samples.account(ctx),
        executors=0,
    )
    yield awaited.events(ctx, objects, course.last.name, executors=False)
    if not course.last.termination:
        yield failed("gone-when-due", "the status has no terminationTime, from which the time to live counts")
        return
    gone = course.deleted or wait_for_deletion(ctx, objects, course, seconds=ttl + _LATE_SECONDS)
    ended = datetime.fromisoformat(course.last.termination)
    yield _due(gone, (objects.server_time() - ended).total_seconds(), ttl)


def _due(gone: bool, seconds: float, ttl: int) -> Finding:
    """Whether the deletion came in time, by the cluster's clock, which this host need not share."""
    if not gone:
        return failed("gone-when-due", f"still there {seconds:.0f} s after its end, with a time to live of {ttl} s")
    if seconds < ttl - _ROUNDING_SECONDS:
        return failed("gone-when-due", f"deleted {seconds:.0f} s after its end, before the {ttl} s were over")
    return passed("gone-when-due", f"deleted {seconds:.0f} s after its end; due after {ttl} s", seconds=seconds)
