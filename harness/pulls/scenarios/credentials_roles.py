# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-ROLE: the pull secret of operator, hook, driver or executor is no good, in each way there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.apps import samples
from harness.apps.objects import Objects
from harness.apps.trial import trial
from harness.matrix.model import Scenario
from harness.pulls import claims, kubelet, private, roles, rows, secrets, tokens
from harness.pulls.context import PullContext
from harness.pulls.rows import TokenRow
from harness.pulls.stage import Staging
from harness.verdicts import Finding

_PREFIX = "registry-credentials-"


def scenarios() -> Mapping[str, Scenario]:
    """One scenario a role; all the token rows in each."""
    return {f"{_PREFIX}{role}": _scenario(role) for role in private.ROLES}


def _scenario(role: str) -> Scenario:
    return Scenario(
        name=f"{_PREFIX}{role}",
        summary=f"the {role}'s pull secret is no good, in each way that there is, and is mended",
        timeout=480.0,
        images=(samples.chart_values().spark.image,),
        family="registry-credentials",
        bare=True,
    )


def staging(name: str) -> Staging:
    """Private packages."""
    return Staging(private=True)


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Spoil the secret, let a pod pull, look, mend the secret, and wait."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects, name.removeprefix(_PREFIX)))


def _steps(ctx: PullContext, objects: Objects, role: str) -> Iterator[Finding]:
    private.ensure(ctx)
    if role == "executor":
        roles.begin_long(ctx, objects)
    for row in rows.load().token:
        ctx.say(f"{role}: {row.name}")
        yield from _case(ctx, objects, role, row)


def _case(ctx: PullContext, objects: Objects, role: str, row: TokenRow) -> Iterator[Finding]:
    secret = private.secret_of(ctx, role)
    tokens.spoil(ctx, secret, row.how)
    try:
        with roles.MAKES[role](ctx, objects, f"{role}-{row.name}") as pulling:
            try:
                stuck = kubelet.await_stuck(ctx, pulling.namespace, pulling.belongs, what=f"the {role}'s pod")
                level = pulling.level()
            finally:
                secrets.grant(ctx, secret)
            seconds = kubelet.await_started(ctx, pulling.namespace, stuck.uid, what=stuck.pod)
    finally:
        secrets.grant(ctx, secret)
    yield from claims.all_of(row.name, stuck, says=row.says, cause=row.cause, warns=row.warns, level=level)
    yield claims.recovered(
        f"{row.name}-recovered", f"the {role}'s container", seconds, "after a good token was put into the Secret"
    )
