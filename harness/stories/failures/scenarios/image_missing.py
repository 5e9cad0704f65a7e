# SPDX-License-Identifier: Apache-2.0
"""fault-image-missing: values pin the old registry, to which nobody pushed the new image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.errors import HarnessError
from harness.stories.failures.described import scenario
from harness.verdicts import Finding, errored, failed, passed

if TYPE_CHECKING:
    from harness.releases import change
    from harness.releases.change import Change
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
else:
    fault = late.module("harness.stories.failures.fault")
    change = late.module("harness.releases.change")

SCENARIO = scenario("fault-image-missing", "pinned values ask for the new image in a registry that does not have it")

_REGISTRY = "docker.io"
_REPOSITORIES = ("kubeflow/spark-operator", "kubeflow/spark-operator-of-before")
_EARLY_SECONDS = 60.0


def run(ctx: PathContext) -> list[Finding]:
    """Upgrade with the pin, look, roll back, upgrade with the pin again, and without it."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    pin = {"image": {"registry": _REGISTRY, "repository": _without_image(ctx)}}
    before = ctx.pods()
    came = ctx.upgrade(here, pin)
    by.submit("meanwhile")
    by.await_end("meanwhile", timeout=_EARLY_SECONDS)
    yield _state(ctx, came, fault.untouched(before, ctx.pods()))
    back = change.rollback(ctx.cluster, came.installed, here, ctx.programs)
    yield fault.way_out(back, why="back to the previous release", check="way-back")
    again = ctx.upgrade(back.installed, pin)
    if again.settled:
        yield errored(fault.STATE, "the second upgrade with the pinned values found its image")
    out = ctx.upgrade(again.installed, mode="default")
    yield fault.way_out(out, why="on to the new release, without the pinned values")
    yield out.installed


def _without_image(ctx: PathContext) -> str:
    """A repository of Docker Hub that has no image of the new release. Raises HarnessError when all have one."""
    for repository in _REPOSITORIES:
        try:
            ctx.resolve(f"{_REGISTRY}/{repository}:{ctx.target.release.version}")
        except HarnessError:
            return repository
    raise HarnessError(f"{_REGISTRY} has {ctx.target.release.version} in each of {', '.join(_REPOSITORIES)}")


def _state(ctx: PathContext, came: Change, serving: list[str]) -> Finding:
    status = ctx.statuses().get(came.installed.revision, "")
    facts = {
        "helm": status,
        "command": came.steps[-1].command,
        "said": came.helm_error or came.rollout_error,
        "pods": fault.in_words(ctx.pods()),
    }
    if came.outside:
        return errored(fault.STATE, f"the new pods do not wait for a missing image: {came.rollout_error}", **facts)
    if came.helm_error or not came.rollout_error or not serving:
        return failed(
            fault.STATE, f"expected deployed and stuck beside the old pods, but: {came.helm_error or serving}", **facts
        )
    return passed(
        fault.STATE,
        f"Helm says {status!r}, and the new pods never start: {came.rollout_error.splitlines()[0]}; "
        f"the old ones go on: {', '.join(serving)}",
        **facts,
    )
