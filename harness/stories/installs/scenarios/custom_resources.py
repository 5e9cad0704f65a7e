# SPDX-License-Identifier: Apache-2.0
"""custom-resources: requests, limits and memory overhead of an application reach its pods, and the kubelet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal

from harness.apps import awaited, claims, samples
from harness.apps.applications import until_end
from harness.apps.context import ScenarioContext
from harness.apps.objects import Objects
from harness.apps.pods import SparkPod, by_role, java_memory
from harness.apps.trial import trial
from harness.kube.amounts import amount_or_zero
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed, unavailable

_VALUES = samples.chart_values()

_AUTOPILOT = "autopilot.gke.io/resource-adjustment"
"""GKE Autopilot's annotation of what it does about the sizes of a pod: JSON, with `modified` where they are others."""

SCENARIO = Scenario(
    name="custom-resources",
    summary="requests and limits reach the driver and the executors",
    images=(_VALUES.spark.image,),
    takes_for_granted=("webhook",),
)


def run(ctx: ScenarioContext) -> list[Finding]:
    """Ask for sizes that are no one's default, and compare them with what the pods got."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    resources = sizes_for(ctx.knows)
    # Helm takes a key away from the chart's values where it is given as null.
    without = {
        role: {"memoryLimit": None} for role, sizes in resources.items() if sizes != _VALUES.custom_resources[role]
    }
    (made,) = objects.create(samples.render(ctx, "custom-resources", {"customResources": without}))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    pods = list(course.pods.values())
    yield claims.pods(pods, image=ctx.spark_images[_VALUES.spark.version], service_account=samples.account(ctx))
    for role, sizes in resources.items():
        wanted = expected(sizes)
        yield _specified(role, by_role(pods, role), wanted)
        yield _allocated(role, by_role(pods, role), wanted)
    yield awaited.events(ctx, objects, course.last.name)


def sizes_for(knows: Callable[[str], bool]) -> dict[str, samples.Sizes]:
    """The sample's sizes by role, without a memory limit of its own where the release's CRD does not know it."""
    return {
        role: sizes if knows(f"spec.{role}.memoryLimit") else sizes.model_copy(update={"memoryLimit": ""})
        for role, sizes in _VALUES.custom_resources.items()
    }


def expected(sizes: samples.Sizes) -> dict[str, Decimal]:
    """Cores and bytes that a pod must have: memory is the JVM's plus the overhead, and its own limit if there is none.

    Spark's documentation of running on Kubernetes; `memoryLimit` is the operator's addition.
    """
    memory = java_memory(sizes.memory) + java_memory(sizes.memoryOverhead)
    return {
        "requests.cpu": amount_or_zero(sizes.coreRequest),
        "limits.cpu": amount_or_zero(sizes.coreLimit),
        "requests.memory": memory,
        "limits.memory": java_memory(sizes.memoryLimit) if sizes.memoryLimit else memory,
    }


def _specified(role: str, pods: list[SparkPod], wanted: dict[str, Decimal]) -> Finding:
    shown = {
        pod.name: {f"requests.{k}": v for k, v in pod.main.requests.items()}
        | {f"limits.{k}": v for k, v in pod.main.limits.items()}
        for pod in pods
    }
    return _compare(f"{role}-resources", f"the {role}'s specification", shown, wanted, _adjusted(pods))


def _allocated(role: str, pods: list[SparkPod], wanted: dict[str, Decimal]) -> Finding:
    return _compare(
        f"{role}-resources-given",
        f"what the kubelet gave the {role}",
        {p.name: dict(p.main.allocated) for p in pods},
        wanted,
        _adjusted(pods),
    )


def _adjusted(pods: list[SparkPod]) -> str:
    """That GKE Autopilot gave pods other sizes than they asked for, in words; empty where it did not."""
    names = [it.name for it in pods if '"modified":true' in it.annotations.get(_AUTOPILOT, "").replace(" ", "")]
    return f"GKE Autopilot changed what {', '.join(names)} asked for" if names else ""


def _compare(
    check: str, what: str, shown: dict[str, dict[str, str]], wanted: dict[str, Decimal], adjusted: str
) -> Finding:
    readable = {key: str(value) for key, value in wanted.items()}
    if not shown:
        return failed(check, f"{what} was not seen: there was no pod", wanted=readable)
    wrong = [
        f"{name} has {key} {found.get(key, 'unset')} instead of {value}"
        for name, found in shown.items()
        for key, value in wanted.items()
        if key not in found or amount_or_zero(found[key]) != value
    ]
    if wrong and adjusted:
        return unavailable(check, f"{adjusted}: {'; '.join(wrong)}", seen=shown, wanted=readable)
    if wrong:
        return failed(check, f"{what} differs: {'; '.join(wrong)}", seen=shown, wanted=readable)
    (first, *_) = shown.values()
    return passed(check, f"{what} is {', '.join(f'{key} {first[key]}' for key in wanted)}", seen=shown)
