# SPDX-License-Identifier: Apache-2.0
"""fault-crds-left: releases are installed where CRDs of another release are, which an uninstall leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from harness import late
from harness.errors import ReleaseError
from harness.kube.api import listed
from harness.late import client
from harness.matrix.facts import SUSPEND
from harness.stories.failures.described import STRUCK, scenario
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.releases import change, crds, install
    from harness.releases.charts import Chart
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
else:
    fault = late.module("harness.stories.failures.fault")
    change = late.module("harness.releases.change")
    crds = late.module("harness.releases.crds")
    install = late.module("harness.releases.install")

SCENARIO = scenario(
    "fault-crds-left",
    "the old release is uninstalled, the new one installed over its CRDs, and the old one again, beside it",
)

INSTALLED = "installed-over-crds"
OWN_CRDS = "crds-of-the-release"
KEPT = "crds-kept"
_BESIDE, _BESIDE_NAMESPACE = "older", "older-operator"
_HELM_SECONDS = 90.0
_STORED = f"{STRUCK}suspended"
_APPLICATIONS = ("sparkoperator.k8s.io", "v1beta2")


def run(ctx: PathContext) -> list[Finding]:
    """Uninstall, install the new release, get its CRDs, install the old one in another namespace, and look."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    older = here.chart
    install.uninstall(ctx.cluster, here, programs=ctx.programs)
    here = replace(here, revision=0)
    came = ctx.upgrade(here, crds="none")
    if came.helm_error:
        yield failed(INSTALLED, f"over the CRDs of {here.release.name}: {came.helm_error}")
        out = ctx.upgrade(here, crds="apply", flags=("--skip-crds",))
        yield fault.way_out(out, why="the CRDs by kubectl, and Helm without them")
    else:
        yield passed(INSTALLED, f"{ctx.target.release.name} was installed over the CRDs of {here.release.name}")
        stale = _unlike(ctx, ctx.target.chart)
        if stale:
            yield failed(OWN_CRDS, f"the CRDs are not those of {ctx.target.release.name}: {'; '.join(stale)}")
            out = ctx.upgrade(came.installed, crds="apply")
            yield fault.way_out(out, why="the CRDs of the new release, by kubectl")
        else:
            yield passed(OWN_CRDS, f"the CRDs in the cluster are those of {ctx.target.release.name}")
            out = came
    fault.require(out)
    yield out.installed
    yield _beside(ctx, older)
    back = ctx.upgrade(out.installed, crds="apply")
    yield fault.way_out(back, why="the CRDs of the new release again", check="way-back")
    yield back.installed


def _beside(ctx: PathContext, older: Chart) -> Finding:
    """What an install of the older release in another namespace does to the CRDs, and to what is stored."""
    stored = ctx.target.release.has(SUSPEND)
    with ctx.cluster.api_client() as api:
        if stored:
            _store(api, ctx.namespace)
        client.CoreV1Api(api).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=_BESIDE_NAMESPACE)))
    said = "it was accepted"
    try:
        ctx.helm.install_or_upgrade(
            older, _BESIDE, _BESIDE_NAMESPACE, {"spark": {"jobNamespaces": []}}, timeout=_HELM_SECONDS
        )
    except ReleaseError as refused:
        said = f"it was refused: {refused.message}"
    changed = _unlike(ctx, ctx.target.chart)
    kept = _is_suspended(ctx) if stored else None
    ctx.helm.uninstall(_BESIDE, _BESIDE_NAMESPACE, timeout=_HELM_SECONDS)
    with ctx.cluster.api_client() as api:
        client.CoreV1Api(api).delete_namespace(_BESIDE_NAMESPACE)
        if stored:
            _calls(api).delete_namespaced_custom_object(*_where(ctx.namespace), _STORED)
    facts = {"said": said, "changed": changed, "still suspended": kept}
    if changed or kept is False:
        lost = "; a stored application has lost spec.suspend" if kept is False else ""
        return failed(
            KEPT, f"an install of {older.version} beside {ctx.target.release.name} changed its CRDs{lost}: "
            f"{'; '.join(changed)}", **facts
        )  # fmt: skip
    return passed(KEPT, f"an install of {older.version} in another namespace left the CRDs alone: {said}", **facts)


def _unlike(ctx: PathContext, chart: Chart) -> list[str]:
    """Where the CRDs in the cluster are not the chart's."""
    wanted = crds.chart_crds(chart)
    with ctx.cluster.api_client() as api:
        found = listed(client.ApiextensionsV1Api(api).list_custom_resource_definition)
    there = {it["metadata"]["name"]: it["spec"] for it in found}
    lines = [f"{name}: it is missing" for name in wanted if name not in there]
    for name in (it for it in wanted if it in there):
        lines += [f"{name}: {line}" for line in crds.differences(wanted[name], there[name], limit=2)]
    return lines


def _calls(api: client.ApiClient) -> Any:
    return client.CustomObjectsApi(api)


def _where(namespace: str) -> tuple[str, str, str, str]:
    group, version = _APPLICATIONS
    return group, version, namespace, "sparkapplications"


def _store(api: client.ApiClient, namespace: str) -> None:
    """An application that no operator has to run, since it is suspended."""
    from harness.releases.admission_samples import sample

    body = sample(namespace, _STORED)
    body["spec"]["suspend"] = True
    _calls(api).create_namespaced_custom_object(*_where(namespace), body)


def _is_suspended(ctx: PathContext) -> bool:
    with ctx.cluster.api_client() as api:
        found = _calls(api).get_namespaced_custom_object(*_where(ctx.namespace), _STORED)
    return bool(found["spec"].get("suspend"))
