# SPDX-License-Identifier: Apache-2.0
"""pod-template: what the templates of driver and executor say is in the pods, without the webhook's help."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps import awaited, claims, samples
from harness.apps.applications import until_end
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import Objects
from harness.apps.pods import LABEL_MUTATED, SparkPod, by_role
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="pod-template",
    summary="pod templates reach the pods",
    images=(_VALUES.spark.image,),
    spark=_VALUES.spark.version,
    sparks=_VALUES.spark.images,
    needs_features=("pod-template",),
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Give driver and executor a template each, and find every part of it in their pods."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    (made,) = objects.create(samples.render(ctx, "pod-template"))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    pods = list(course.pods.values())
    yield claims.pods(
        pods,
        image=ctx.spark_image,
        service_account=samples.account(ctx),
        owned=ctx.webhook,
    )
    for role in ("driver", "executor"):
        yield _templated(role, by_role(pods, role))
    yield claims.pi(pod_log(objects.core, ctx.namespace, course.last.driver_pod))
    yield awaited.events(ctx, objects, course.last.name)


def _templated(role: str, pods: list[SparkPod]) -> Finding:
    check = f"{role}-template"
    if not pods:
        return failed(check, f"no {role} pod was seen")
    problems = [f"{pod.name}: {problem}" for pod in pods for problem in _problems(role, pod)]
    seen = {
        pod.name: {
            "labels": dict(pod.labels),
            "annotations": dict(pod.annotations),
            "env": dict(pod.main.environment),
            "envFrom": list(pod.main.config_maps),
            "mounts": dict(pod.main.mounts),
        }
        for pod in pods
    }
    if problems:
        return failed(check, "; ".join(problems), pods=seen)
    return passed(check, f"label, annotation, environment and volume of the template are in {pods[0].name}", pods=seen)


def _problems(role: str, pod: SparkPod) -> Iterator[str]:
    """Where a pod differs from charts/spark-samples/templates/pod-template.yaml."""
    if pod.labels.get("samples.example/role") != role:
        yield "the template's label is missing"
    if pod.annotations.get("samples.example/note") != f"{role} made from a template":
        yield "the template's annotation is missing"
    if pod.main.environment.get("SAMPLE_ROLE") != role:
        yield "the template's environment variable is missing"
    if "pod-template-settings" not in pod.main.config_maps:
        yield "the environment from the ConfigMap is missing"
    if pod.main.mounts.get("scratch") != "/mnt/scratch":
        yield "the template's volume is not mounted"
    if LABEL_MUTATED in pod.labels:
        yield "the pod was left to the webhook, although it has a template"
