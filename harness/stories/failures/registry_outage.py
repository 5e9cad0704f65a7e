# SPDX-License-Identifier: Apache-2.0
"""An upgrade whose pulls fail for a while: what is left meanwhile, and how long it takes to come right by itself."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from harness.checks import infrastructure
from harness.errors import ApiError
from harness.kube.pull_messages import REGISTRY_BUSY
from harness.releases import rollout, surroundings
from harness.stories.failures import fault
from harness.upgrades import detour
from harness.verdicts import Finding, failed, passed
from harness.waiting import until

if TYPE_CHECKING:
    from harness.kube.models import Pod
    from harness.releases.change import Change
    from harness.releases.trouble import Trouble
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext

_SEEN_SECONDS = 90.0
_EARLY_SECONDS = 40.0


def upgrade_through(
    ctx: PathContext, here: InstalledRelease, by: Bystanders, *, url: str, kind: str
) -> Iterator[Finding | InstalledRelease]:
    """Lead the pulls to `url`, upgrade, look, lead them back, and wait until it has recovered.

    `kind` is what must keep the pods from pulling meanwhile, as clusters/pull-messages.toml names it.
    """
    release = ctx.target.release
    before = ctx.pods()
    detour.forget_image(ctx.provider, ctx.cluster, release.image)
    with (
        ThreadPoolExecutor(1, "upgrade") as pool,
        detour.detour(ctx.provider, ctx.cluster, release.registry, url) as away,
    ):
        upgrading: Future[Change] = pool.submit(ctx.upgrade, here)
        found = until(
            lambda: _trouble(ctx, before),
            lambda it: it is not None and it.pull is not None and it.pull.kind == kind,
            what=f"a pull of {release.image} to fail",
            timeout=_SEEN_SECONDS,
            interval=0.5,
            ignore=(ApiError,),
        )
        by.submit("meanwhile")
        by.await_end("meanwhile", timeout=_EARLY_SECONDS)
        pods = ctx.pods()
        serving, statuses = fault.untouched(before, pods), ctx.statuses()
        facts = {
            "helm": statuses,
            "trouble": found.pull.kind if found and found.pull else "",
            "pods": fault.in_words(pods),
            "said": found.message if found else "",
        }
        latest = statuses[max(statuses)]
        words = f"Helm says {latest!r}; {found.message if found else 'nothing'}"
        if serving:
            yield passed(fault.STATE, f"{words}; the old pods go on: {', '.join(serving)}", **facts)
        else:
            yield failed(fault.STATE, f"{words}; none of the old pods is there any more", **facts)
        yield from _diagnosed(ctx, kind)
        away.end()
        mended = datetime.now(UTC)
        came = upgrading.result()
    wrong = came.helm_error or came.rollout_error
    if wrong or came.settled is None:
        yield failed(fault.WAY_OUT, f"the registry is back, but the upgrade does not recover: {wrong}")
        return
    seconds = (came.settled - mended).total_seconds()
    yield passed(
        fault.WAY_OUT,
        f"once the registry was back, the upgrade recovered by itself after {seconds:.0f} s (the kubelet tries again "
        "after 10 s, 20 s, 40 s, … up to 300 s); no action is needed",
        seconds=round(seconds, 1),
        commands=[step.command for step in came.steps],
    )
    yield came.installed


def _trouble(ctx: PathContext, before: list[Pod]) -> Trouble | None:
    known = {pod.uid for pod in before}
    namespace = ctx.installed.namespace
    with ctx.cluster.api_client() as api:
        return rollout.diagnosed(api, namespace, [it for it in rollout.pods_of(api, namespace) if it.uid not in known])


def _diagnosed(ctx: PathContext, kind: str) -> Iterator[Finding]:
    """Whether the harness's diagnosis of its own surroundings names a registry that answers 429."""
    if kind != REGISTRY_BUSY:
        return
    found = infrastructure.diagnose(ctx.host_now(), surroundings.look(ctx.cluster, [ctx.installed.namespace]))
    name = "diagnosis-names-it"
    if found is not None and found.cause is infrastructure.Cause.REGISTRY_BUSY:
        yield passed(name, found.message, cause=found.cause.value)
    else:
        yield failed(name, f"the diagnosis is {found.message if found else 'that nothing is wrong'}")
