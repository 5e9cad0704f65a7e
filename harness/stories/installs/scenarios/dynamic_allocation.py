# SPDX-License-Identifier: Apache-2.0
"""dynamic-allocation: executors come when there is work and go when there is none, as seen by their pods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.apps import awaited, claims, samples
from harness.apps.applications import follow, submitted
from harness.apps.context import ScenarioContext
from harness.apps.logs import pod_log
from harness.apps.objects import Objects
from harness.apps.pods import LABEL_LAUNCHED, SparkPod, by_role, observe
from harness.apps.trial import trial
from harness.kube.watching import watch_until
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="dynamic-allocation",
    summary="executors are added when there is work and removed when there is none",
    timeout=600.0,
    images=(_VALUES.spark.image,),
    spark=_VALUES.spark.version,
    sparks=_VALUES.spark.images,
    takes_for_granted=("webhook",),
)

_SECONDS = 300.0


@dataclass
class Tide:
    """How many executor pods lived at a time, in the order seen, and whether the driver still ran at the ebb."""

    pods: dict[str, SparkPod] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    driver_ended: bool = False

    def note(self, event: str, pod: SparkPod) -> None:
        """Add one change of a pod."""
        if event == "DELETED":
            self.pods.pop(pod.uid, None)
        else:
            self.pods[pod.uid] = pod
        if pod.role == "driver" and not pod.is_live:
            self.driver_ended = True
        # Only executors that run count as grown: a pod that waits for room has not grown anything.
        live = [p for p in by_role(self.pods.values(), "executor") if p.phase == "Running" and p.is_live]
        if not self.driver_ended and (not self.counts or self.counts[-1] != len(live)):
            self.counts.append(len(live))

    @property
    def peak(self) -> int:
        """The most executors that ran at a time."""
        return max(self.counts, default=0)

    @property
    def ebb(self) -> int:
        """The fewest executors after the peak, while the driver ran."""
        return min(self.counts[self.counts.index(self.peak) :], default=0)

    def __str__(self) -> str:
        return " → ".join(map(str, self.counts)) or "none"


def run(ctx: ScenarioContext) -> list[Finding]:
    """Watch the pods of an application that first has much to do and then nothing."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    least, most = _VALUES.dynamic_allocation.min, _VALUES.dynamic_allocation.max
    (made,) = objects.create(samples.render(ctx, "dynamic-allocation"))
    tide = _watch(ctx, objects, least, most)
    yield _grown(tide, most)
    yield _shrunk(tide, least)
    course = submitted(made)
    name = course.last.name
    follow(ctx, objects, name, lambda _: False, what=f"the end of {name}", seconds=_SECONDS, course=course)
    yield claims.states(course)
    log = pod_log(objects.core, ctx.namespace, course.last.driver_pod)
    yield claims.said("spark-grew", log, "grew", f"to {most} executors")
    yield claims.said("spark-shrank", log, "shrank", f"to {least} executors")
    yield awaited.events(ctx, objects, name)


def _watch(ctx: ScenarioContext, objects: Objects, least: int, most: int) -> Tide:
    tide = Tide()

    def look(event: str, raw: Any) -> Tide | None:
        tide.note(event, observe(raw))
        return tide if tide.driver_ended or (tide.peak >= most and tide.ebb <= least) else None

    return watch_until(
        objects.core.list_namespaced_pod,
        look,
        what=f"{most} executors, and then {least}",
        timeout=ctx.within(_SECONDS),
        describe=lambda raw: f"{observe(raw)} after {tide} executors",
        namespace=objects.namespace,
        label_selector=f"{LABEL_LAUNCHED}=true",
    )


def _grown(tide: Tide, most: int) -> Finding:
    make = passed if tide.peak == most else failed
    return make("grows", f"running executors: {tide}; the most was {tide.peak}, allowed are {most}", counts=tide.counts)


def _shrunk(tide: Tide, least: int) -> Finding:
    make = passed if tide.peak > least and tide.ebb == least else failed
    return make(
        "shrinks", f"running executors: {tide}; after the most {tide.ebb}, the least is {least}", counts=tide.counts
    )
