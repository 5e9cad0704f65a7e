# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-rotated: tokens are replaced under a running application, and the old ones are worthless."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness import late
from harness.apps import claims
from harness.apps.applications import parse, until_end
from harness.apps.objects import APPLICATION, Objects
from harness.apps.states import State
from harness.apps.trial import trial
from harness.stories.registries import private_packages, secrets
from harness.verdicts import Finding, failed, passed
from harness.waiting import until

if TYPE_CHECKING:
    from harness.matrix.model import Scenario
    from harness.registries.front.access_log import Request
    from harness.stories.registries import kubelet, roles
    from harness.stories.registries.context import PullContext
    from harness.stories.registries.own_registries import RegistrySetup
    from harness.upgrades import clients
else:
    clients = late.module("harness.upgrades.clients")
    kubelet = late.module("harness.stories.registries.kubelet")
    roles = late.module("harness.stories.registries.roles")

_NAME = "registry-credentials-rotated"
_SPARK = ("driver", "executor")
_END_SECONDS = 120.0


def scenarios() -> Mapping[str, Scenario]:
    """The one scenario."""
    return private_packages.only(
        _NAME,
        "tokens are rotated under a running application, which goes on; the next pods use the new ones",
    )


def setup(name: str) -> RegistrySetup:
    """Private packages."""
    return private_packages.SETUP


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Start a long application, rotate, run another one, and let the long one end."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects))


def _steps(ctx: PullContext, objects: Objects) -> Iterator[Finding]:
    private_packages.ensure(ctx)
    roles.begin_long(ctx, objects)
    before = {it.uid: it.name for it in objects.spark_pods()}
    old = {role: ctx.registries.ghcr.accounts.of(role).secret for role in _SPARK}
    asked = len(ctx.registries.ghcr.requests())
    for role in _SPARK:
        secrets.grant(ctx, private_packages.secret_of(ctx, role))
    still_good = [role for role in _SPARK if ctx.registries.ghcr.accounts.find(role, old[role], checks_user=False)]
    (made,) = objects.create(private_packages.application(ctx, "spark-pi", "after-rotation"))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    requests = ctx.registries.ghcr.requests()[asked:]
    yield _new_tokens(requests, still_good)
    raw = objects.get(APPLICATION, roles.LONG)
    state = parse(raw).state if raw else None
    after = {it.uid: it.name for it in objects.spark_pods() if it.name.startswith(f"{roles.LONG}-")}
    gone = sorted(name for uid, name in before.items() if uid not in {it.uid for it in objects.spark_pods()})
    facts = {"before": sorted(before.values()), "after": sorted(after.values()), "state": str(state)}
    if gone or state is not State.RUNNING:
        yield failed("running-undisturbed", f"the running application is {state}, and lost {', '.join(gone)}", **facts)
    else:
        yield passed(
            "running-undisturbed",
            f"the running application kept its pods {', '.join(sorted(before.values()))}, and is RUNNING",
            **facts,
        )
    clients.let_end(ctx.cluster, ctx.namespace, f"{roles.LONG}-driver")
    end = until(
        lambda: (now := objects.get(APPLICATION, roles.LONG)) and parse(now).state,
        lambda it: it in (State.COMPLETED, State.FAILED),
        what="the long application to end",
        timeout=ctx.within(_END_SECONDS),
    )
    make = passed if end is State.COMPLETED else failed
    yield make("running-completed", f"the application that ran through the rotation ended {end}")
    yield from _nothing_waits(ctx)


def _new_tokens(requests: list[Request], still_good: list[str]) -> Finding:
    """The old ones are good for nothing any more, so what was answered was asked with the new ones."""
    users = sorted({it.user for it in requests if it.user and it.status == 200})
    if still_good or set(users) != set(_SPARK):
        old = f"the old tokens of {', '.join(still_good)} are" if still_good else "no old token is"
        answered = ", ".join(users) or "nobody"
        return failed("tokens-replaced", f"{old} still good; ghcr.io answered {answered}", users=users)
    return passed(
        "tokens-replaced",
        "after the rotation, when the old tokens were good for nothing, ghcr.io answered driver and executor",
        users=users,
    )


def _nothing_waits(ctx: PullContext) -> Iterator[Finding]:
    waiting = [
        it.name
        for it in kubelet.pods(ctx, ctx.namespace)
        if any(container.reason in kubelet.REASONS for container in it.containers)
    ]
    make = failed if waiting else passed
    yield make("nothing-waits", f"{', '.join(waiting) or 'no pod'} waits for an image")
