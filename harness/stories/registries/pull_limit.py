# SPDX-License-Identifier: Apache-2.0
"""Docker Hub's pull limit is reached: at each moment at which images may be pulled, with images in each home."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.apps import samples
from harness.apps.applications import until_end
from harness.apps.objects import Objects
from harness.apps.states import State
from harness.errors import PullError, ReleaseError
from harness.providers import containers
from harness.registries.limits import pulls_left
from harness.releases import change, relocate
from harness.releases.change import Wanted
from harness.stories.registries import claims, kubelet, roles
from harness.stories.registries.context import PullContext
from harness.stories.registries.own_registries import GHCR, HUB, Home
from harness.upgrades import detour
from harness.verdicts import Finding, failed, passed
from harness.waiting import Deadline

if TYPE_CHECKING:
    from harness.kube.models import Pod
    from harness.registries.front.access_log import Request
    from harness.stories.registries.catalogue import LimitRow, Moment
    from harness.stories.registries.kubelet import Belongs

SAYS = r"429 Too Many Requests.*toomanyrequests: You have reached your unauthenticated pull rate limit"
CAUSE = "docker.io answered 429: 0 of 100 pulls left, window 6 h"

_RESTART_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class PullTrigger:
    """Something that pulls. `images` are those that the node must not have when `act` begins, `aliases` other names of
    the same content: a node that has it by another name asks for the digest by HEAD, which counts as no pull, and for
    nothing more. `act` returns a sentence about its success, and raises HarnessError; `namespace` and `belongs` tell
    which pod may be stuck.
    """

    what: str
    images: tuple[str, ...]
    aliases: tuple[str, ...] = ()
    act: Callable[[], str]
    namespace: str
    belongs: Belongs


Make = Callable[[PullContext, Objects, Home], AbstractContextManager[PullTrigger]]
"""Gets everything ready for a moment; what is still up to it is undone when the block is left."""


def through(ctx: PullContext, trigger: PullTrigger, row: LimitRow) -> Iterator[Finding]:
    """Reach the limit, act, and claim what the row says."""
    hub = ctx.registries.hub
    if row.home == "cache":
        for image in trigger.images:
            detour.run(ctx.provider, ctx.cluster, ctx.cluster.nodes[0], ["crictl", "pull", image])
    for image in (*trigger.images, *trigger.aliases):
        detour.forget_image(ctx.provider, ctx.cluster, image)
    spend(ctx)
    asked = len(hub.requests())
    try:
        with ThreadPoolExecutor(1, "limited") as pool:
            began = Deadline(seconds=ctx.deadline.left)
            acting = pool.submit(trigger.act)
            try:
                if row.outcome == "stuck":
                    yield from _stuck(ctx, trigger, acting)
                else:
                    told = acting.result()
                    yield from _held(ctx, trigger, told, hub.requests()[asked:], row.home, began.elapsed)
            finally:
                hub.limit(hub.profile.limits)
    finally:
        hub.limit(hub.profile.limits)


def _stuck(ctx: PullContext, trigger: PullTrigger, acting: Future[str]) -> Iterator[Finding]:
    stuck = kubelet.await_stuck(ctx, trigger.namespace, trigger.belongs, what=trigger.what)
    left = pulls_left(stuck.image, ctx.registries.hub.mirror())
    yield from claims.all_of("pull", stuck, says=SAYS, cause=CAUSE, left=left)
    ctx.registries.hub.limit(ctx.registries.hub.profile.limits)
    seconds = kubelet.await_started(ctx, trigger.namespace, stuck.uid, what=stuck.pod)
    yield claims.recovered("recovered", stuck.pod, seconds, "once the window was over")
    yield passed("came-right", acting.result())


def _held(
    ctx: PullContext, trigger: PullTrigger, told: str, requests: list[Request], home: Home, seconds: float
) -> Iterator[Finding]:
    counted = [it for it in requests if it.method == "GET" and "/manifests/" in it.path]
    heads = [it for it in requests if it.method == "HEAD" and "/manifests/" in it.path and it.status == 200]
    refused = [it for it in counted if it.status == 429]
    facts = {
        "seconds": round(seconds, 1),
        "pulls_from_docker_io": len(counted),
        "refused": len(refused),
        "heads": len(heads),
    }
    left = pulls_left(ctx.registries.spark_at(HUB), ctx.registries.hub.mirror())
    if left is None or left.remaining:
        yield failed("held", f"the limit was not reached: {left}", **facts)
        return
    yield passed(
        "held",
        f"{told}, while docker.io says {left}: it was asked for {len(counted)} manifests by GET ({len(refused)} "
        f"refused) and for {len(heads)} by HEAD, which does not count; images live on {home}",
        **facts,
    )


def spend(ctx: PullContext) -> None:
    """Let all that this machine and its nodes are to docker.io have made every pull that they may: they share one
    address, as machines of a site do. Raises HostError.
    """
    hub = ctx.registries.hub
    hub.limit(hub.profile.limits)
    addresses = {it.source for it in hub.requests() if it.source} | {"127.0.0.1"}
    for node in ctx.cluster.nodes:
        said = detour.run(ctx.provider, ctx.cluster, node, ["hostname", "-i"])
        addresses |= {it for it in said.split() if "." in it}
    hub.spend(sorted(addresses))


@contextmanager
def installing(ctx: PullContext, objects: Objects, home: Home) -> Iterator[PullTrigger]:
    """The release is not there yet."""
    ctx.uninstall()

    def act() -> str:
        installed = ctx.install(values_at(ctx, home))
        return f"release {ctx.release.version} was installed in {sum(installed.seconds.values()):.0f} s"

    yield PullTrigger(
        what="the operator",
        images=(image_at(ctx, home),),
        aliases=(ctx.release.image, ctx.registries.copy.image),
        act=act,
        namespace=ctx.operator_namespace,
        belongs=lambda pod: _has_image(pod, image_at(ctx, home)),
    )


@contextmanager
def upgrading(ctx: PullContext, objects: Objects, home: Home) -> Iterator[PullTrigger]:
    """The path's first release is there; its last one is to come, from where the site has it."""
    before = kubelet.uids(ctx, ctx.operator_namespace)
    target = ctx.releases[ctx.path.releases[-1]]

    def act() -> str:
        wanted = Wanted(
            release=target.release,
            chart=target.chart,
            crds=ctx.path.crds,
            values=(values_at(ctx, home), *ctx.values),
        )
        came = change.upgrade(ctx.cluster, ctx.installed, wanted, ctx.programs)
        wrong = came.helm_error or came.rollout_error
        if wrong or came.settled is None:
            raise (PullError if came.outside else ReleaseError)(f"the upgrade did not get to its end: {wrong}")
        ctx.current.installed = came.installed
        return (
            f"{ctx.path.releases[0]} was upgraded to {target.release.version} in "
            f"{(came.settled - came.began).total_seconds():.0f} s"
        )

    yield PullTrigger(
        what="the new operator",
        images=(image_at(ctx, home),),
        aliases=(ctx.release.image, ctx.registries.copy.image),
        act=act,
        namespace=ctx.operator_namespace,
        belongs=lambda pod: pod.uid not in before and _has_image(pod, image_at(ctx, home)),
    )


@contextmanager
def scaling(ctx: PullContext, objects: Objects, home: Home) -> Iterator[PullTrigger]:
    """The driver's image is on the node and is asked for Always; that of the executors is not there."""
    ensure(ctx, home)
    own, executors = (
        ctx.registries.spark_at(home),
        ctx.registries.another(ctx.registries.spark_at(home), label=f"scale-{home}"),
    )
    detour.run(ctx.provider, ctx.cluster, ctx.cluster.nodes[0], ["crictl", "pull", own])
    manifests = samples.render(ctx.rendering, "spark-pi")
    for it in manifests:
        it["spec"] |= {"image": own, "imagePullPolicy": "Always"}
        it["spec"]["executor"]["image"] = executors

    def act() -> str:
        (made,) = objects.create(manifests)
        course = until_end(ctx, objects, made, seconds=ctx.deadline.left)
        if course.last.state is not State.COMPLETED:
            raise ReleaseError(f"the application ended: {course}")
        return f"the driver, whose image is on the node, started, executors came, and the application is {course}"

    yield PullTrigger(
        what="an executor", images=(executors,), act=act, namespace=ctx.namespace, belongs=roles.is_executor
    )


@contextmanager
def restarting(ctx: PullContext, objects: Objects, home: Home) -> Iterator[PullTrigger]:
    """The release runs with images that are asked for Always; then the node goes down and comes up again."""
    ensure(ctx, home)

    def act() -> str:
        clock = Deadline(seconds=_RESTART_SECONDS)
        before = {it.uid: it.restarts for it in kubelet.pods(ctx, ctx.operator_namespace)}
        for node in ctx.cluster.nodes:
            containers.restart(node)
        again = kubelet.await_again(ctx, ctx.operator_namespace, before, seconds=_RESTART_SECONDS)
        return f"the node was restarted, and {', '.join(again)} were ready again after {clock.elapsed:.0f} s"

    yield PullTrigger(
        what="the operator",
        images=(),
        act=act,
        namespace=ctx.operator_namespace,
        belongs=lambda pod: _has_image(pod, image_at(ctx, home)),
    )


MOMENTS: Mapping[Moment, Make] = {
    "install": installing,
    "upgrade": upgrading,
    "scale": scaling,
    "restart": restarting,
}


def ensure(ctx: PullContext, home: Home) -> None:
    """The release, with its images in this home, while pulls are left. Raises as harness.releases.install does."""
    wanted = image_at(ctx, home)
    installed = ctx.current.installed
    if installed is not None and any(_has_image(it, wanted) for it in kubelet.pods(ctx, installed.namespace)):
        return
    ctx.uninstall()
    ctx.install(values_at(ctx, home))


def image_at(ctx: PullContext, home: Home) -> str:
    """The operator's image where it lives."""
    return (ctx.release if home == GHCR else ctx.registries.copy).image


def values_at(ctx: PullContext, home: Home) -> dict[str, Any]:
    """The values with which the release's images come from there, asked for Always, by nobody in particular."""
    values = {} if home == GHCR else relocate.values_for(ctx.registries.copy)
    image = {key: it for key, it in values.get("image", {}).items() if key != "pullSecrets"}
    return {**values, "image": {**image, "pullPolicy": "Always"}}


def _has_image(pod: Pod, image: str) -> bool:
    return any(it.image == image for it in pod.containers)
