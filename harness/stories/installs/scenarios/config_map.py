# SPDX-License-Identifier: Apache-2.0
"""config-map: the program and its settings come from ConfigMaps, which the webhook mounts into the pods."""

from __future__ import annotations

from collections.abc import Iterator

from harness import seeds
from harness.apps import awaited, claims, samples
from harness.apps.applications import until_end
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import Objects
from harness.apps.pods import SparkPod
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed
from harness.wording import counted

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="config-map",
    summary="code and settings come from ConfigMaps",
    images=(_VALUES.spark.image,),
    takes_for_granted=("webhook",),
)

_MOUNTS = {"driver": {"/opt/code", "/etc/settings"}, "executor": {"/etc/settings"}}


def run(ctx: ScenarioContext) -> list[Finding]:
    """Mount a phrase that is another one in each run, and see driver and executor print it."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    phrase = f"phrase {seeds.token(ctx.seed, 'config-map', digits=16)}"
    (made,) = objects.create(samples.render(ctx, "config-map", {"phrase": phrase}))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    yield claims.pods(
        course.pods.values(),
        image=ctx.spark_images[_VALUES.spark.version],
        service_account=samples.account(ctx),
    )
    yield _mounts(list(course.pods.values()))
    log = pod_log(objects.core, ctx.namespace, course.last.driver_pod)
    yield claims.said("driver-reads-config-map", log, "driver read", phrase)
    yield claims.said("executor-reads-config-map", log, "executor read", phrase)
    yield awaited.events(ctx, objects, course.last.name)


def _mounts(pods: list[SparkPod]) -> Finding:
    problems = [
        f"{pod.name} lacks {', '.join(sorted(missing))}"
        for pod in pods
        if (missing := _MOUNTS[pod.role] - set(pod.main.mounts.values()))
    ]
    seen = {pod.name: dict(pod.main.mounts) for pod in pods}
    if problems or not pods:
        return failed("mounts", "; ".join(problems) or "no pod was seen", mounts=seen)
    return passed("mounts", f"{counted(len(pods), 'pod has its', 'pods have their')} ConfigMaps mounted", mounts=seen)
