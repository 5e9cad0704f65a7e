# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-ROLE: the pull secret of operator, hook, driver or executor is invalid, in each way there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from harness import late
from harness.apps import samples
from harness.apps.trial import trial
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries import catalogue, claims, private_packages, secrets
from harness.stories.registries.own_registries import RegistrySetup
from harness.waiting import Deadline

if TYPE_CHECKING:
    from harness.apps.objects import Objects
    from harness.stories.registries import kubelet, roles, tokens
    from harness.stories.registries.catalogue import TokenRow
    from harness.stories.registries.context import PullContext
    from harness.stories.registries.kubelet import Stuck
    from harness.stories.registries.roles import PullingPod
    from harness.stories.registries.secrets import PullSecret
    from harness.verdicts import Finding
else:
    kubelet = late.module("harness.stories.registries.kubelet")
    tokens = late.module("harness.stories.registries.tokens")
    roles = late.module("harness.stories.registries.roles")

_PREFIX = "registry-credentials-"
_TOGETHER = 4
_STUCK_SECONDS = 180.0


def scenarios() -> Mapping[str, Scenario]:
    """One scenario a role; all the token rows in each."""
    return {f"{_PREFIX}{role}": _scenario(role) for role in private_packages.ROLES}


def _scenario(role: str) -> Scenario:
    return Scenario(
        name=f"{_PREFIX}{role}",
        summary=f"the {role}'s pull secret is invalid, in each possible way, and is then repaired",
        timeout=480.0,
        images=(samples.chart_values().spark.image,),
        needs=ClusterNeeds(cluster="registry-credentials", installed="nothing"),
    )


def setup(name: str) -> RegistrySetup:
    """Private packages."""
    return RegistrySetup(private=True)


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Spoil the secret, let a pod pull, look, mend the secret, and wait."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects, name.removeprefix(_PREFIX)))


def _steps(ctx: PullContext, objects: Objects, role: str) -> Iterator[Finding]:
    private_packages.ensure(ctx)
    if role == "executor":
        roles.begin_long(ctx, objects)
    known = catalogue.load().token
    for together in _batches(known) if role == "driver" else [[row] for row in known if row.everywhere]:
        ctx.say(f"{role}: {', '.join(row.name for row in together)}")
        yield from _cases(ctx, objects, role, together)


def _batches(known: Sequence[TokenRow]) -> list[Sequence[TokenRow]]:
    """Drivers are independent of each other, but each takes a JVM of the operator to be submitted."""
    return [known[first : first + _TOGETHER] for first in range(0, len(known), _TOGETHER)]


def _cases(ctx: PullContext, objects: Objects, role: str, known: Sequence[TokenRow]) -> Iterator[Finding]:
    """Spoil, pull, look, mend and wait, for all of these cases at the same time."""
    own = {row.name: private_packages.secret_of(ctx, role, row.name if role == "driver" else "") for row in known}
    reason = kubelet.REASONS[-1 if role == "driver" else 0]
    stuck: dict[str, Stuck] = {}
    levels: dict[str, str] = {}
    seconds: dict[str, float] = {}
    asked = len(ctx.registries.ghcr.requests())
    try:
        with ExitStack() as stack:
            pulling: dict[str, PullingPod] = {}
            for row in known:
                secret = own[row.name]
                if role == "driver":
                    secrets.grant(ctx, secret)
                tokens.spoil(ctx, secret, row.how)
                pulling[row.name] = stack.enter_context(roles.MAKES[role](ctx, objects, secret))
            try:
                for name, it in pulling.items():
                    stuck[name] = kubelet.await_stuck(
                        ctx, it.namespace, it.belongs, what=f"the {role}'s pod", reason=reason, seconds=_STUCK_SECONDS
                    )
                    levels[name] = it.level()
            finally:
                spoiled = ctx.registries.ghcr.requests()[asked:]
                _mend(ctx, own)
            mended = Deadline(seconds=ctx.deadline.left)
            for name, it in pulling.items():
                kubelet.await_started(ctx, it.namespace, stuck[name].uid, what=stuck[name].pod)
                seconds[name] = round(mended.elapsed, 1)
        answered = ctx.registries.ghcr.requests()[asked + len(spoiled) :]
    finally:
        _mend(ctx, own)
    for row in known:
        yield from claims.all_of(
            row.name, stuck[row.name], says=row.says, cause=row.cause, warns=row.warns, level=levels[row.name]
        )
        yield claims.recovered(
            f"{row.name}-recovered",
            f"the {role}'s container",
            seconds[row.name],
            "after a good token was put into the Secret",
        )
        yield private_packages.login_used(
            f"{row.name}-login", stuck[row.name].pod, own[row.name], spoiled=spoiled, mended=answered
        )


def _mend(ctx: PullContext, own: Mapping[str, PullSecret]) -> None:
    for secret in own.values():
        secrets.grant(ctx, secret)
