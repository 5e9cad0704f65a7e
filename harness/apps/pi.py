# SPDX-License-Identifier: Apache-2.0
"""What the scenarios that compute π have in common."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import until_end
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import Objects
from harness.verdicts import Finding


def compute(ctx: ScenarioContext, objects: Objects, *, sample: str, version: str) -> Iterator[Finding]:
    """Submit the sample, follow it to COMPLETED, and judge its states, pods, result, Spark version and events."""
    (made,) = objects.create(samples.render(ctx, sample))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    yield claims.pods(
        course.pods.values(),
        image=ctx.spark_images[version],
        service_account=samples.account(ctx),
        owned=ctx.webhook,
    )
    log = pod_log(objects.core, ctx.namespace, course.last.driver_pod)
    yield claims.pi(log)
    yield claims.spark_version(log, version)
    yield awaited.events(ctx, objects, course.last.name)
