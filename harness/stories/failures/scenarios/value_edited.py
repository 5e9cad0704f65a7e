# SPDX-License-Identifier: Apache-2.0
"""fault-value-edited: before the upgrade, somebody changed on the cluster what the chart had set."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness import late, process
from harness.late import client
from harness.stories.failures.described import scenario
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.releases import rollout
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
else:
    fault = late.module("harness.stories.failures.fault")
    rollout = late.module("harness.releases.rollout")

SCENARIO = scenario(
    "fault-value-edited", "somebody scales the controller and edits the webhook, whose replicas the chart had set"
)

EDITED = "edited-values"
_REPLICAS = 2
_KUBECTL_SECONDS = 30.0


def run(ctx: PathContext) -> list[Finding]:
    """Scale and edit, upgrade, and where that is refused upgrade once more with `--force-conflicts`."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    _edit(ctx, here)
    owners = _owners(ctx, here)
    came = ctx.upgrade(here)
    if not came.helm_error:
        kept = _replicas(ctx, here)
        yield passed(
            EDITED,
            f"the upgrade went through; {', '.join(f'{name} has {count}' for name, count in kept.items())} of the "
            f"{_REPLICAS} replicas that were asked for by hand; before it, {'; '.join(owners)}",
            replicas=kept,
            owners=owners,
        )
        fault.require(came)
        yield came.installed
        return
    yield failed(
        EDITED,
        f"the upgrade was refused: {came.helm_error}; before it, {'; '.join(owners)}",
        owners=owners,
        helm=ctx.statuses(),
    )
    out = ctx.upgrade(came.installed, flags=("--force-conflicts",))
    kept = _replicas(ctx, here)
    told = ", ".join(f"{name} has {count}" for name, count in kept.items())
    yield fault.way_out(out, why=f"what was set by hand is lost, {told} of {_REPLICAS} replicas")
    yield out.installed


def _edit(ctx: PathContext, here: InstalledRelease) -> None:
    """As `kubectl scale` does, and as `kubectl edit`, whose name as a field manager is its own."""
    controller, webhook = (f"{here.name}-{part}" for part in ("controller", "webhook"))
    where = ("--kubeconfig", ctx.cluster.kubeconfig, "--namespace", here.namespace)
    change = json.dumps({"spec": {"replicas": _REPLICAS}})
    by_hand = (
        ("scale", "deployment", controller, f"--replicas={_REPLICAS}"),
        ("patch", "deployment", webhook, "--field-manager=kubectl-edit", "--type=merge", f"--patch={change}"),
    )
    for words in by_hand:
        process.call([ctx.programs.kubectl, *where, *words], timeout=_KUBECTL_SECONDS)


def _replicas(ctx: PathContext, here: InstalledRelease) -> dict[str, int]:
    """The replicas that each Deployment of the release asks for."""
    with ctx.cluster.api_client() as api:
        found = rollout.find_deployments(client.AppsV1Api(api), here.namespace, here.name)
    return {it.name: it.replicas for it in found}


def _owners(ctx: PathContext, here: InstalledRelease) -> list[str]:
    """Who manages the fields of the Deployments, and whether by applying them or by updating."""
    with ctx.cluster.api_client() as api:
        apps: Any = client.AppsV1Api(api)
        items = apps.list_namespaced_deployment(here.namespace, label_selector=rollout.selector(here.name)).items
    return [
        f"{it.metadata.name} is managed by "
        + ", ".join(f"{by.manager} ({by.operation})" for by in it.metadata.managed_fields if by.subresource != "status")
        for it in items
    ]
