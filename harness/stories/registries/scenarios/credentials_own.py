# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-own: operator, hook, driver and executor pull private packages, each with its own secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from harness.apps import claims
from harness.apps.applications import until_end
from harness.apps.trial import trial
from harness.kube.api import listed
from harness.late import client
from harness.stories.registries import private_packages
from harness.stories.registries.own_registries import GHCR, RegistrySetup
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.apps.objects import Objects
    from harness.matrix.model import Scenario
    from harness.stories.registries.context import PullContext

_NAME = "registry-credentials-own"


def scenarios() -> Mapping[str, Scenario]:
    """The one scenario."""
    return private_packages.only(
        _NAME, "operator, hook, driver and executor pull private packages, each with a secret of its own"
    )


def setup(name: str) -> RegistrySetup:
    """Private packages."""
    return private_packages.SETUP


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Install from the private package, run an application, and read the registry's log."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects))


def _steps(ctx: PullContext, objects: Objects) -> Iterator[Finding]:
    installed = private_packages.ensure(ctx)
    yield passed(
        "installed-from-private",
        f"release {ctx.release.version} was installed from {ctx.release.image}, which is private, in "
        f"{sum(installed.seconds.values()):.0f} s",
        seconds=dict(installed.seconds),
    )
    pods = {private_packages.secret_of(ctx, "operator").name: _operator_pods(ctx)}
    hook = _hook_pods(ctx)
    pods[private_packages.secret_of(ctx, "hook").name] = hook
    # Cells before this one pulled Spark's image as other users.
    asked = len(ctx.registries.ghcr.requests())
    (made,) = objects.create(private_packages.application(ctx, "spark-pi", "spark-pi"))
    course = until_end(ctx, objects, made)
    yield claims.states(course)
    for role in ("driver", "executor"):
        pods[private_packages.secret_of(ctx, role).name] = [it.name for it in course.pods.values() if it.role == role]
    wrong = [it.name for it in course.pods.values() if it.image != ctx.registries.spark_at(GHCR)]
    yield (
        failed("image", f"{', '.join(wrong)} run another image than {ctx.registries.spark_at(GHCR)}")
        if wrong
        else passed("image", f"driver and executor ran {ctx.registries.spark_at(GHCR)}, pulled Always")
    )
    requests = ctx.registries.ghcr.requests()
    for roles, told in ((private_packages.ROLES[:2], requests), (private_packages.ROLES[2:], requests[asked:])):
        yield from private_packages.own_secret(told, [private_packages.secret_of(ctx, role) for role in roles], pods)


def _operator_pods(ctx: PullContext) -> list[str]:
    wanted = private_packages.secret_of(ctx, "operator").name
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        items = listed(core.list_namespaced_pod, ctx.operator_namespace)
    return [
        it["metadata"]["name"]
        for it in items
        if wanted in [secret["name"] for secret in it["spec"].get("imagePullSecrets") or []]
    ]


def _hook_pods(ctx: PullContext) -> list[str]:
    """The hook's pods are deleted with its Job when it has done its work: their events stay."""
    with ctx.api() as api:
        core: Any = client.CoreV1Api(api)
        items = listed(core.list_namespaced_event, ctx.operator_namespace)
    image = ctx.release.hook_image
    return sorted(
        {
            it["involvedObject"]["name"]
            for it in items
            if it.get("reason") in ("Pulled", "Pulling") and image in (it.get("message") or "")
        }
    )
