# SPDX-License-Identifier: Apache-2.0
"""spark-pi: a JVM application computes π on an executor."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import claims, samples
from harness.apps.applications import until_end
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import Objects
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="spark-pi",
    summary="a JVM application computes π on an executor",
    images=(_VALUES.spark.images[_VALUES.spark.version],),
    tags=("full", "smoke"),
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Submit the sample, follow it to COMPLETED, read its driver's log."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    version = _VALUES.spark.version
    (made,) = objects.create(samples.render(ctx, "spark-pi"))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    yield claims.pods(course.pods.values(), image=ctx.spark_images[version], service_account=_VALUES.service_account)
    log = pod_log(objects.core, ctx.namespace, course.last.driver_pod)
    yield claims.pi(log)
    yield claims.spark_version(log, version)
    yield claims.events(objects.events(), course.last.name)
