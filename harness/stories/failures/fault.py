# SPDX-License-Identifier: Apache-2.0
"""What all failures in the middle of an upgrade do: upgrade, look, come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from harness import install_checks
from harness.errors import PullError, ReleaseError, WaitTimeout
from harness.releases import change, lease_times
from harness.releases.change import Change
from harness.releases.values import merge
from harness.releases.ways.protocol import InstalledRelease
from harness.stories.failures.bystanders import Bystanders
from harness.stories.path_context import PathContext
from harness.verdicts import Finding, errored, failed, passed
from harness.waiting import Cancelled

if TYPE_CHECKING:
    from harness.kube.models import Pod

WAY_OUT = "way-out"
STATE = "state-left"


Story = Callable[[PathContext, InstalledRelease, Bystanders], Iterator[Finding | InstalledRelease]]
"""What happens, told as it goes on: findings, and each release that there is from then on."""


def tell(
    ctx: PathContext, story: Story, placed: Callable[[PathContext], AbstractContextManager[object]] | None = None
) -> list[Finding]:
    """Run a fault between what all have in common: applications before it, their ends and a sound operator after it.

    What the product does wrong on the way is a failed finding; what follows is looked at all the same. `placed` decides
    where the pods of the earlier application can be.
    """
    with Bystanders(ctx.cluster, ctx.rendering, longer=lease_times.longer(merge(*ctx.values))) as by:
        here = _arrive(ctx)
        ctx.say("submitting the application that runs meanwhile")
        with placed(ctx) if placed else nullcontext():
            by.begin()
        found: list[Finding] = []
        try:
            for it in story(ctx, here, by):
                if isinstance(it, Finding):
                    ctx.say(f"{it.check}: {it.message.splitlines()[0]}")
                    found.append(it)
                else:
                    here = it
        except Cancelled:
            raise
        except (WaitTimeout, ReleaseError) as error:
            found.append(failed(WAY_OUT, f"the way out does not work: {error}"))
        except PullError as error:
            found.append(errored(WAY_OUT, f"whether the way out works could not be seen: {error}"))
        ctx.say("waiting for the applications to finish")
        found += by.finish()
    checked = install_checks.run(ctx.cluster, here, resolve=ctx.resolve, provider=ctx.provider, seed=ctx.seed)
    return [*found, *checked]


def _arrive(ctx: PathContext) -> InstalledRelease:
    """Make the moves before the last one, if there are any. Raises as `require` when one does not succeed."""
    here = ctx.installed
    for move in ctx.path.moves[:-1]:
        came = change.upgrade(ctx.cluster, here, ctx.wanted(move=move), ctx.programs)
        require(came)
        here = came.installed
    return here


def require(came: Change) -> None:
    """Raise ReleaseError when a change did not get to its end, PullError when that was not the release's fault."""
    wrong = came.helm_error or came.rollout_error
    if wrong:
        raise (PullError if came.outside else ReleaseError)(f"{came.steps[-1].command}: {wrong}")


def way_out(*changes: Change, why: str, check: str = WAY_OUT) -> Finding:
    """The finding about a way out that was taken, command by command; failed when a command of it did.

    Where that was nothing that the release did, it is errored.
    """
    commands = [step.command for it in changes for step in it.steps]
    stuck = next((it for it in changes if it.helm_error or it.rollout_error), None)
    if stuck:
        make = errored if stuck.outside else failed
        wrong = stuck.helm_error or stuck.rollout_error
        return make(check, f"{' && '.join(commands)} did not help: {wrong}", commands=commands)
    took = [round((it.settled - it.began).total_seconds(), 1) for it in changes if it.settled]
    return passed(check, f"{why}: {' && '.join(commands)}; it took {sum(took):.0f} s", commands=commands, seconds=took)


def in_words(pods: Sequence[Pod]) -> list[str]:
    """Each pod with its image and how it is."""
    return [
        f"{pod.name} ({pod.containers[0].image}): {pod.containers[0].reason or pod.containers[0].state or pod.phase}"
        for pod in pods
        if pod.containers and not pod.leaving
    ]


def untouched(before: Sequence[Pod], after: Sequence[Pod]) -> list[str]:
    """The previous pods that still serve: the same, and with every container ready."""
    known = {pod.uid for pod in before}
    return [
        pod.name
        for pod in after
        if pod.uid in known
        and not pod.leaving
        and pod.containers
        and all(it.ready for it in pod.containers if not it.init)
    ]
