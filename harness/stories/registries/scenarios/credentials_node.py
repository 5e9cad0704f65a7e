# SPDX-License-Identifier: Apache-2.0
"""registry-credentials-node: the node itself logs in (certs.d, registries.yaml), and no pod has a pull secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness import late
from harness.apps import claims as app_claims
from harness.apps import samples
from harness.apps.applications import until_end
from harness.apps.objects import APPLICATION, Objects
from harness.apps.trial import trial
from harness.images.references import ImageReference
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries import catalogue, claims, private_packages
from harness.stories.registries.own_registries import GHCR, HUB, NODE_USER, READ, RegistrySetup
from harness.stories.registries.secrets import PullSecret
from harness.verdicts import Finding, Verdict, failed, passed

if TYPE_CHECKING:
    from harness.stories.registries import kubelet, secrets, tokens
    from harness.stories.registries.catalogue import TokenRow
    from harness.stories.registries.context import PullContext
    from harness.upgrades import detour
else:
    detour = late.module("harness.upgrades.detour")
    kubelet = late.module("harness.stories.registries.kubelet")
    secrets = late.module("harness.stories.registries.secrets")
    tokens = late.module("harness.stories.registries.tokens")

_NAME = "registry-credentials-node"


def scenarios() -> Mapping[str, Scenario]:
    """The one scenario."""
    return {
        _NAME: Scenario(
            name=_NAME,
            summary="the node logs in to the private packages, and no pod has a pull secret",
            timeout=420.0,
            images=(samples.chart_values().spark.image,),
            needs=ClusterNeeds(cluster="registry-credentials-node", installed="nothing"),
        )
    }


def setup(name: str) -> RegistrySetup:
    """Private packages, and nodes with a login."""
    return RegistrySetup(private=True, node_login=True)


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Install and run an application with the node's login, and let that become worthless in each way that it can."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects))


def _steps(ctx: PullContext, objects: Objects) -> Iterator[Finding]:
    for image in (ctx.release.image, ctx.release.hook_image, ctx.registries.spark_at(HUB)):
        detour.forget_image(ctx.provider, ctx.cluster, image)
    installed = ctx.install({"image": {"pullPolicy": "Always"}, "hook": {"upgradeCrd": True}})
    yield passed(
        "installed-from-private",
        f"release {ctx.release.version} was installed from {ctx.release.image}, which is private, without a secret",
        seconds=dict(installed.seconds),
    )
    (made,) = objects.create(_application(ctx, "spark-pi"))
    yield app_claims.states(until_end(ctx, objects, made))
    yield from _users(ctx)
    yield _beside_secrets(ctx, objects)
    for row in catalogue.load().token:
        if row.node:
            ctx.say(row.name)
            yield from _case(ctx, objects, row)


def _users(ctx: PullContext) -> Iterator[Finding]:
    spark = ImageReference.parse(ctx.registries.spark_at(GHCR)).repository
    for repository in (ctx.release.repository, ctx.release.hook_repository, spark):
        seen = private_packages.used(ctx.registries.ghcr.requests(), repository)
        make = passed if set(seen.users) == {NODE_USER} else failed
        yield make(
            f"node-login-{repository.rpartition('/')[2]}",
            f"ghcr.io answered {seen.users or 'nobody'} for {repository}; the node logs in as {NODE_USER}",
            users=dict(seen.users),
        )


def _beside_secrets(ctx: PullContext, objects: Objects) -> Finding:
    """An application whose pods have good secrets of their own, on the node that logs in."""
    own = [private_packages.secret_of(ctx, role) for role in ("driver", "executor")]
    for secret in own:
        secrets.grant(ctx, secret)
    asked = len(ctx.registries.ghcr.requests())
    (made,) = objects.create(private_packages.application(ctx, "spark-pi", "beside-secrets"))
    ended = app_claims.states(until_end(ctx, objects, made))
    if ended.verdict is not Verdict.PASSED:
        return ended.model_copy(update={"check": "node-login-first"})
    return private_packages.node_login_first(ctx.registries.ghcr.requests()[asked:], NODE_USER, own)


def _case(ctx: PullContext, objects: Objects, row: TokenRow) -> Iterator[Finding]:
    """The node's login is worthless, and its token is then made good again at the registry: the node stays as it is."""
    accounts = ctx.registries.ghcr.accounts
    known, name = accounts.of(NODE_USER), f"node-{row.name}"
    tokens.weaken(accounts, NODE_USER, row.how)
    asked = len(ctx.registries.ghcr.requests())
    try:
        objects.create(_application(ctx, name))
        stuck = kubelet.await_stuck(ctx, ctx.namespace, lambda pod: pod.name == f"{name}-driver", what="the driver")
    finally:
        spoiled = ctx.registries.ghcr.requests()[asked:]
        accounts.issue(NODE_USER, READ, secret=known.secret)
    seconds = kubelet.await_started(ctx, ctx.namespace, stuck.uid, what=stuck.pod)
    mended = ctx.registries.ghcr.requests()[asked + len(spoiled) :]
    objects.delete(APPLICATION, name)
    yield claims.seen(f"{row.name}-seen", stuck, says=row.node)
    yield claims.recovered(f"{row.name}-recovered", "the driver", seconds, "after the node's token was good again")
    spark = ImageReference.parse(ctx.registries.spark_at(GHCR)).repository
    login = PullSecret(name="(none: the node's own login)", namespace="", user=NODE_USER, repository=spark)
    yield private_packages.login_used(f"{row.name}-login", stuck.pod, login, spoiled=spoiled, mended=mended)


def _application(ctx: PullContext, name: str) -> list[samples.Manifest]:
    manifests = samples.render(ctx.rendering, "spark-pi")
    for it in manifests:
        it["metadata"]["name"] = name
        it["spec"] |= {"image": ctx.registries.spark_at(GHCR), "imagePullPolicy": "Always"}
    return manifests
