# SPDX-License-Identifier: Apache-2.0
"""fault-hook-fails: the chart's hook that is to upgrade the CRDs can never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness import causes, late
from harness.errors import CommandTimeout
from harness.kube.api import listed
from harness.late import client
from harness.stories.failures.described import scenario
from harness.verdicts import Finding, failed, passed, unavailable

if TYPE_CHECKING:
    from harness.releases import change, helm
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
else:
    fault = late.module("harness.stories.failures.fault")
    change = late.module("harness.releases.change")
    helm = late.module("harness.releases.helm")

SCENARIO = scenario("fault-hook-fails", "the hook that upgrades the CRDs uses an image that does not exist")

_HELM_SECONDS = 30.0
"""In place of Helm's own five minutes."""

_EARLY_SECONDS = 60.0
_PINNED = {"hook": {"upgradeCrd": True, "image": {"tag": "nobody-pushed-this"}}}


def run(ctx: PathContext) -> list[Finding]:
    """Upgrade with a hook that cannot run, look at what is left, and upgrade with one that can."""
    release = ctx.target.release
    if not release.hook_image:
        return [unavailable(fault.STATE, f"the chart of {release.name} has no hook, which came later")]
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    before = ctx.pods()
    said = ""
    try:
        ctx.helm.install_or_upgrade(
            ctx.target.chart,
            here.name,
            here.namespace,
            change.values_of(here, ctx.wanted(_PINNED, mode="default")),
            timeout=_HELM_SECONDS,
        )
    except (helm.HelmError, CommandTimeout) as error:
        said = error.stderr.strip() or error.message
    by.submit("meanwhile")
    by.await_end("meanwhile", timeout=_EARLY_SECONDS)
    statuses = ctx.statuses()
    serving = fault.untouched(before, ctx.pods())
    left = _leftovers(ctx)
    facts = {"helm": statuses, "said": said, "left": left, "serving": serving}
    if said and len(serving) == len(before):
        yield passed(
            fault.STATE,
            f"Helm gives up after its timeout: {causes.told(said)!r}; the revisions are {_shown(statuses)}; no "
            f"object of the operator was touched, all {len(serving)} pods are the previous ones; left over: "
            f"{', '.join(left) or 'nothing'}",
            **facts,
        )
    else:
        yield failed(
            fault.STATE, f"Helm said {causes.told(said, 'nothing')!r}, and of the pods only {serving} are left", **facts
        )
    out = ctx.upgrade(here, {"hook": {"upgradeCrd": True}}, mode="default")
    yield fault.way_out(out, why="upgrade again with a hook that can run; no rollback is needed")
    still = _leftovers(ctx)
    yield (
        failed("hook-leftovers", f"after the way out there are still {', '.join(still)}", left=still)
        if still
        else passed("hook-leftovers", "what the failed hook had left is gone after the way out", before=left)
    )
    yield out.installed


def _leftovers(ctx: PathContext) -> list[str]:
    """The objects of the hook that are in the cluster, as `Kind/name`."""
    selector = f"app.kubernetes.io/component=hook,app.kubernetes.io/instance={ctx.installed.name}"
    namespace = ctx.installed.namespace
    found: list[str] = []
    with ctx.cluster.api_client() as api:
        rbac = client.RbacAuthorizationV1Api(api)
        calls: list[tuple[str, Any, tuple[str, ...]]] = [
            ("Job", client.BatchV1Api(api).list_namespaced_job, (namespace,)),
            ("Pod", client.CoreV1Api(api).list_namespaced_pod, (namespace,)),
            ("ServiceAccount", client.CoreV1Api(api).list_namespaced_service_account, (namespace,)),
            ("ClusterRole", rbac.list_cluster_role, ()),
            ("ClusterRoleBinding", rbac.list_cluster_role_binding, ()),
        ]
        for kind, call, where in calls:
            items = listed(call, *where, label_selector=selector)
            found += [f"{kind}/{it['metadata']['name']}" for it in items]
    return found


def _shown(statuses: dict[int, str]) -> str:
    return ", ".join(f"{number} {status}" for number, status in statuses.items())
