# SPDX-License-Identifier: Apache-2.0
"""The release from private packages of ghcr.io: every pod has a pull secret, and a user there, of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from harness import late
from harness.apps import samples
from harness.images.references import ImageReference
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries.own_registries import GHCR, HUB, RegistrySetup
from harness.stories.registries.secrets import PullSecret
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.apps.samples import Manifest
    from harness.registries.front.access_log import Request
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.registries import secrets
    from harness.stories.registries.context import PullContext
    from harness.upgrades import detour
else:
    detour = late.module("harness.upgrades.detour")
    secrets = late.module("harness.stories.registries.secrets")

SETUP = RegistrySetup(private=True)
ROLES = ("operator", "hook", "driver", "executor")


def only(name: str, summary: str) -> Mapping[str, Scenario]:
    """What a module of one scenario offers, whose cluster has the private packages and no release at first."""
    return {
        name: Scenario(
            name=name,
            summary=summary,
            images=(samples.chart_values().spark.image,),
            needs=ClusterNeeds(cluster="registry-credentials", installed="nothing"),
        )
    }


def secret_of(ctx: PullContext, role: str, case: str = "") -> PullSecret:
    """The pull secret of a role, or one more for a case of it; those of driver and executor are in the cell's own
    namespace.
    """
    release = ctx.release
    places: Mapping[str, tuple[str, str]] = {
        "operator": (ctx.operator_namespace, release.repository),
        "hook": (ctx.operator_namespace, release.hook_repository),
    }
    namespace, repository = places.get(
        role, (ctx.namespace, ImageReference.parse(ctx.registries.spark_at(GHCR)).repository)
    )
    user = f"{role}-{case}" if case else role
    return PullSecret(name=f"pull-{user}", namespace=namespace, user=user, repository=repository)


def ensure(ctx: PullContext) -> InstalledRelease:
    """The release, installed when no cell before did; Spark's secrets are made in the cell's namespace.

    Raises as harness.releases.install does.
    """
    for role in ("driver", "executor"):
        secrets.grant(ctx, secret_of(ctx, role))
    if ctx.current.installed is not None:
        return ctx.current.installed
    for image in (ctx.release.image, ctx.release.hook_image, ctx.registries.spark_at(HUB)):
        detour.forget_image(ctx.provider, ctx.cluster, image)
    for role in ("operator", "hook"):
        secrets.grant(ctx, secret_of(ctx, role))
    ctx.say("installing the release from its private package")
    return ctx.install(values_of(ctx))


def values_of(ctx: PullContext) -> dict[str, Any]:
    """The values with which the chart's pods have their secrets, and ask the registry each time."""
    names = [{"name": secret_of(ctx, role).name} for role in ("operator", "hook")]
    return {"image": {"pullPolicy": "Always", "pullSecrets": names}, "hook": {"upgradeCrd": True}}


def application(ctx: PullContext, sample: str, name: str, *, driver: PullSecret | None = None) -> list[Manifest]:
    """A sample with the private Spark image, whose driver and executor have a secret each by their pod templates.

    `driver` is the driver's, when it is not the usual one.
    """
    manifests = samples.render(ctx.rendering, sample)
    for it in manifests:
        if it["kind"] != "SparkApplication":
            continue
        it["metadata"]["name"] = name
        it["spec"] |= {"image": ctx.registries.spark_at(GHCR), "imagePullPolicy": "Always"}
        for role in ("driver", "executor"):
            container = {"name": f"spark-kubernetes-{role}"}
            secret = driver if driver and role == "driver" else secret_of(ctx, role)
            pull = [{"name": secret.name}]
            it["spec"][role]["template"] = {"spec": {"imagePullSecrets": pull, "containers": [container]}}
    return manifests


@dataclass(frozen=True, kw_only=True)
class Used:
    """Who asked the registry for a repository: `users` by name with the number of answered requests."""

    repository: str
    users: Mapping[str, int]
    refused: int


def used(requests: Sequence[Request], repository: str, *, since: datetime | None = None) -> Used:
    """What the log has of a repository's manifests and blobs."""
    messages = [
        it
        for it in requests
        if it.repository == repository
        and it.path.startswith("/v2/")
        and (since is None or datetime.fromisoformat(it.time) >= since)
    ]
    users: dict[str, int] = {}
    for it in messages:
        if 200 <= it.status < 300:
            users[it.user or "(nobody)"] = users.get(it.user or "(nobody)", 0) + 1
    return Used(repository=repository, users=users, refused=sum(it.status in (401, 403) for it in messages))


def own_secret(
    requests: Sequence[Request], roles: Sequence[PullSecret], pods: Mapping[str, Sequence[str]]
) -> list[Finding]:
    """One finding a role: its user got its repository, and nobody but the users of these secrets did.

    `pods` maps a secret's name to the pods that have it.
    """
    findings = []
    for secret in roles:
        check = f"own-secret-{secret.user}"
        seen = used(requests, secret.repository)
        allowed = {it.user for it in roles if it.repository == secret.repository}
        strangers = sorted(set(seen.users) - allowed)
        names = list(pods.get(secret.name, ()))
        facts = {
            "secret": secret.name,
            "repository": f"{GHCR}/{secret.repository}",
            "users": dict(seen.users),
            "pods": names,
            "challenged": seen.refused,
        }
        if not names:
            findings.append(failed(check, f"no pod with the secret {secret.name} was seen", **facts))
        elif strangers or not seen.users.get(secret.user):
            users = ", ".join(sorted(seen.users)) or "nobody"
            findings.append(failed(check, f"{secret.repository} was given to {users}, not to {secret.user}", **facts))
        else:
            findings.append(
                passed(
                    check,
                    f"{', '.join(names)} has the secret {secret.name}, and ghcr.io answered {seen.users[secret.user]} "
                    f"requests of its user {secret.user} for {secret.repository}, and none of "
                    f"{'anybody else' if allowed == {secret.user} else 'others than ' + ' and '.join(sorted(allowed))}",
                    **facts,
                )
            )
    return findings


def login_used(
    check: str, what: str, secret: PullSecret, *, spoiled: Sequence[Request], mended: Sequence[Request]
) -> Finding:
    """Whose login the registry's log has: while the secret was worthless not its user's, and once it was good that one.

    Neither a pod nor an event tells this: a node may have a login of its own, which is tried first.
    """
    worthless, good = used(spoiled, secret.repository), used(mended, secret.repository)
    facts = {
        "secret": secret.name,
        "spoiled": dict(worthless.users),
        "refused": worthless.refused,
        "mended": dict(good.users),
    }
    if worthless.users.get(secret.user):
        message = f"ghcr.io answered {secret.user} {worthless.users[secret.user]} times with a worthless token"
        return failed(check, message, **facts)
    if not good.users.get(secret.user):
        message = (
            f"{what} started, but ghcr.io answered {good.users or 'nobody'} for {secret.repository}, not {secret.user}"
        )
        return failed(check, message, **facts)
    return passed(
        check,
        f"while the token of {secret.user} was worthless, ghcr.io refused {worthless.refused} requests for "
        f"{secret.repository} and answered none of that user; {what} then used the login {secret.user}, "
        f"{good.users[secret.user]} requests",
        **facts,
    )


def node_login_first(requests: Sequence[Request], node_user: str, own: Sequence[PullSecret]) -> Finding:
    """A login that hosts.toml gives to a node is tried before a pod's own secret, good as that may be.

    Measured with containerd 2.2.9 (tests/integration/test_pull_words.py).
    """
    check = "node-login-first"
    (repository,) = {it.repository for it in own}
    seen = used(requests, repository)
    facts = {"users": dict(seen.users), "secrets": [it.name for it in own]}
    others = sorted(set(seen.users) - {node_user})
    if others or not seen.users:
        message = f"ghcr.io answered {seen.users or 'nobody'} for {repository}, not the node's login {node_user} alone"
        return failed(check, message, **facts)
    return passed(
        check,
        f"the pods have secrets of their own, of {' and '.join(it.user for it in own)}, and yet ghcr.io answered the "
        f"node's login alone: {seen.users[node_user]} requests of {node_user} for {repository}",
        **facts,
    )
