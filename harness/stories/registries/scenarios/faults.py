# SPDX-License-Identifier: Apache-2.0
"""registry-fault-NAME: docker.io fails in one way while a driver's image is to be pulled, and is mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness import late
from harness.apps import samples
from harness.apps.applications import parse
from harness.apps.objects import APPLICATION, Objects
from harness.apps.trial import trial
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries import catalogue, claims
from harness.stories.registries.own_registries import HUB, RegistrySetup
from harness.verdicts import Finding, failed, passed
from harness.waiting import Deadline

if TYPE_CHECKING:
    from harness.registries import limits
    from harness.stories.registries import kubelet
    from harness.stories.registries.catalogue import FaultRow
    from harness.stories.registries.context import PullContext
else:
    limits = late.module("harness.registries.limits")
    kubelet = late.module("harness.stories.registries.kubelet")

_PREFIX = "registry-fault-"
_START_SECONDS = 150.0


def scenarios() -> Mapping[str, Scenario]:
    """One scenario a row."""
    return {f"{_PREFIX}{row.name}": _scenario(row) for row in catalogue.load().fault}


def _scenario(row: FaultRow) -> Scenario:
    return Scenario(
        name=f"{_PREFIX}{row.name}",
        summary=f"docker.io fails a driver's pull: {row.fault}",
        timeout=300.0,
        images=(samples.chart_values().spark.image,),
        needs=ClusterNeeds(cluster="registry-faults"),
    )


def setup(name: str) -> RegistrySetup:
    """Public packages."""
    return RegistrySetup()


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Set the fault, submit an application, look, mend, and wait."""
    row = next(it for it in catalogue.load().fault if f"{_PREFIX}{it.name}" == name)
    return trial(ctx, lambda _, objects: _steps(ctx, objects, row))


def _steps(ctx: PullContext, objects: Objects, row: FaultRow) -> Iterator[Finding]:
    image = ctx.registries.another(ctx.registries.spark_at(HUB), label=row.name)
    (made,) = objects.create(_application(ctx, image))
    name = made["metadata"]["name"]
    driver = f"{name}-driver"
    asked = len(ctx.registries.hub.requests())
    fault = ctx.registries.hub.fault(row.fault)
    try:
        if row.outcome == "stuck":
            stuck = kubelet.await_stuck(ctx, ctx.namespace, lambda pod: pod.name == driver, what="the driver")
            raw = objects.get(APPLICATION, name)
            level = f"the SparkApplication says {parse(raw).state or 'nothing'}" if raw else "it is gone"
            left = limits.pulls_left(image, ctx.registries.hub.mirror())
            met = [it for it in ctx.registries.hub.requests()[asked:] if it.fault]
            ctx.registries.hub.mend()
            seconds = kubelet.await_started(ctx, ctx.namespace, stuck.uid, what=driver)
            yield from claims.all_of("pull", stuck, says=row.says, cause=row.cause, level=level, left=left)
            yield claims.recovered("recovered", "the driver", seconds, "once docker.io was mended")
        else:
            clock = Deadline(seconds=_START_SECONDS)
            kubelet.await_running(ctx, ctx.namespace, lambda pod: pod.name == driver, what="the driver")
            met = [it for it in ctx.registries.hub.requests()[asked:] if it.fault]
            yield passed(
                "held",
                f"the driver started all the same, {clock.elapsed:.0f} s after it was asked for",
                seconds=round(clock.elapsed, 1),
            )
    finally:
        ctx.registries.hub.mend()
    yield _struck(str(fault), len(met), of_handshake=fault.kind == "expired-certificate")


def _struck(fault: str, requests: int, *, of_handshake: bool) -> Finding:
    """The fault was met, so that what is claimed is about it. A handshake that fails is in no log of requests."""
    if requests or of_handshake:
        return passed("fault-met", f"{fault} met {'handshakes' if of_handshake else f'{requests} requests'}")
    return failed("fault-met", f"{fault} met no request: nothing is proved")


def _application(ctx: PullContext, image: str) -> list[samples.Manifest]:
    manifests = samples.render(ctx.rendering, "spark-pi")
    for it in manifests:
        it["spec"] |= {"image": image}
    return manifests
