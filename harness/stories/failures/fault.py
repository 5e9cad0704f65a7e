# SPDX-License-Identifier: Apache-2.0
"""What a failure in the middle of an upgrade is given, and what all of them do: upgrade, look, come out of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import install_checks
from harness.errors import PullError, ReleaseError, WaitTimeout
from harness.matrix.model import CrdMode, Move, ValuesMode
from harness.matrix.model import Path as UpgradePath
from harness.releases import change, rollout, ways
from harness.releases.change import Change, Wanted
from harness.releases.helm import Helm
from harness.releases.ways.protocol import InstalledRelease, Programs
from harness.stories.failures.bystanders import Bystanders
from harness.verdicts import Finding, errored, failed, passed
from harness.waiting import Cancelled

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.kube.cluster import Cluster
    from harness.kube.models import Pod
    from harness.machine import HostSeen
    from harness.providers.base import Provider
    from harness.releases.on_path import ReleaseOnPath

WAY_OUT = "way-out"
STATE = "state-left"


@dataclass(frozen=True, kw_only=True)
class FaultContext:
    """A fault's surroundings. `installed` is the path's first release, `releases` are all of them by name.

    `namespace` exists and is a job namespace; `values` are the user's; `resolve` gives the digests that the source's
    registry serves; `host_now` tells the room that the host has.
    """

    cluster: Cluster
    provider: Provider
    path: UpgradePath
    releases: Mapping[str, ReleaseOnPath]
    installed: InstalledRelease
    programs: Programs
    namespace: str
    folder: Path
    spark_images: Mapping[str, str]
    values: Sequence[Mapping[str, Any]]
    resolve: Resolve
    host_now: Callable[[], HostSeen]
    seed: int = 0
    say: Callable[[str], None] = lambda text: None

    @property
    def target(self) -> ReleaseOnPath:
        """The release that the failing upgrade leads to: the last of the path."""
        return self.releases[self.path.moves[-1].target]

    @property
    def helm(self) -> Helm:
        """The Helm of the failing upgrade, on this cluster. Raises UsageError where that is not made by Helm."""
        return Helm(ways.helm(self.path.moves[-1].way, self.programs), self.cluster.kubeconfig)

    def wanted(
        self,
        *extra: Mapping[str, Any],
        move: Move | None = None,
        mode: ValuesMode | None = None,
        crds: CrdMode | None = None,
        flags: Sequence[str] = (),
    ) -> Wanted:
        """An upgrade as the path asks for it, the last one unless another is given, with `extra` values."""
        move = move or self.path.moves[-1]
        to = self.releases[move.target]
        return Wanted(
            release=to.release,
            chart=to.chart,
            crds=crds or self.path.crds,
            values_mode=mode or self.path.values,
            values=(*to.with_users(self.values), *extra),
            way=move.way,
            kustomization=to.kustomization,
            flags=tuple(flags),
        )

    def upgrade(
        self,
        here: InstalledRelease,
        *extra: Mapping[str, Any],
        mode: ValuesMode | None = None,
        crds: CrdMode | None = None,
        flags: Sequence[str] = (),
    ) -> Change:
        """The upgrade to the target and the wait for its rollout. Raises as harness.releases.change.upgrade does."""
        wanted = self.wanted(*extra, mode=mode, crds=crds, flags=flags)
        return change.upgrade(self.cluster, here, wanted, self.programs)

    def arrive(self) -> InstalledRelease:
        """Make the moves before the last one, if there are any. Raises as `require` when one does not succeed."""
        here = self.installed
        for move in self.path.moves[:-1]:
            came = change.upgrade(self.cluster, here, self.wanted(move=move), self.programs)
            require(came)
            here = came.installed
        return here

    def change_crds(self) -> None:
        """What the path's CRD mode asks for before Helm, for who then calls Helm by itself. Raises CommandError."""
        change.change_crds(self.cluster, self.target.chart, self.path.crds, self.programs)

    def pods(self) -> list[Pod]:
        """The pods of the operator's namespace. Raises ApiError."""
        with self.cluster.api_client() as api:
            return rollout.pods_of(api, self.installed.namespace)

    def statuses(self) -> dict[int, str]:
        """What `helm history` says of each revision. Raises HelmError."""
        return {it.number: it.status for it in self.helm.history(self.installed.name, self.installed.namespace)}


Story = Callable[[FaultContext, InstalledRelease, Bystanders], Iterator[Finding | InstalledRelease]]
"""What happens, told as it goes on: findings, and each release that there is from then on."""


def tell(
    ctx: FaultContext, story: Story, placed: Callable[[FaultContext], AbstractContextManager[object]] | None = None
) -> list[Finding]:
    """Run a fault between what all have in common: applications before it, their ends and a sound operator after it.

    What the product does wrong on the way is a failed finding; what follows is looked at all the same. `placed` decides
    where the pods of the application of before can be.
    """
    with Bystanders(
        ctx.cluster,
        ctx.namespace,
        helm=ctx.programs.helm,
        folder=ctx.folder,
        images=ctx.spark_images,
        account=ctx.installed.account,
    ) as by:
        here = ctx.arrive()
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
    """The pods of before that still serve: the same, and with every container ready."""
    known = {pod.uid for pod in before}
    return [
        pod.name
        for pod in after
        if pod.uid in known
        and not pod.leaving
        and pod.containers
        and all(it.ready for it in pod.containers if not it.init)
    ]
