# SPDX-License-Identifier: Apache-2.0
"""Service accounts and rights: which account applications run under, and those that values leave to somebody else.

With `serviceAccount.create: false` or `rbac.create: false` a chart relies on what is made by other means. The run then
makes what the chart itself would have made, so that the release is tried as it is meant to be used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from harness.errors import ApiError
from harness.kube.api import listed, read
from harness.late import client
from harness.releases import foreign
from harness.releases.asked import off
from harness.releases.charts import Chart
from harness.releases.helm import Helm
from harness.releases.values import at, merge

Manifest = Mapping[str, Any]

_PARTS = ("controller", "webhook", "spark")
_KINDS = {
    "ServiceAccount": ("CoreV1Api", "namespaced_service_account"),
    "Role": ("RbacAuthorizationV1Api", "namespaced_role"),
    "RoleBinding": ("RbacAuthorizationV1Api", "namespaced_role_binding"),
    "ClusterRole": ("RbacAuthorizationV1Api", "cluster_role"),
    "ClusterRoleBinding": ("RbacAuthorizationV1Api", "cluster_role_binding"),
}
_NO_ACCOUNT = "default"
"""What the chart falls back to where it makes no account and is given no name (templates/spark/_helpers.tpl)."""

_OF_HELM = ("app.kubernetes.io/managed-by", "helm.sh/chart")


def left_to_others(values: Mapping[str, Any]) -> list[str]:
    """The values, as `spark.rbac.create`, with which accounts or rights are left to be made by somebody else."""
    switches = (f"{part}.{what}.create" for part in _PARTS for what in ("serviceAccount", "rbac"))
    return [it for it in switches if off(values, it)]


def to_bring(helm: Helm, chart: Chart, name: str, namespace: str, values: Mapping[str, Any]) -> list[Manifest]:
    """The accounts and rights that the chart would have made, had its values not left them to somebody else.

    Raises HelmError when the chart does not render.
    """
    switches = left_to_others(values)
    if not switches:
        return []
    kinds = foreign.api_versions(values)
    mine = {_identity(it, namespace) for it in helm.template(chart, name, namespace, values, api_versions=kinds)}
    on = merge(values, *(_switched_on(values, it) for it in switches))
    whole = helm.template(chart, name, namespace, on, api_versions=kinds)
    return [_own(it, namespace) for it in whole if it.get("kind") in _KINDS and _identity(it, namespace) not in mine]


def bring(api: client.ApiClient, manifests: Iterable[Manifest]) -> None:
    """Make these objects; to a role that is there already, the rights that it lacks are added. Raises ApiError."""
    for manifest in manifests:
        api_class, call = _KINDS[manifest["kind"]]
        calls: Any = getattr(client, api_class)(api)
        meta = manifest["metadata"]
        where = (meta["namespace"],) if "namespace" in meta else ()
        try:
            getattr(calls, f"create_{call}")(*where, dict(manifest))
        except ApiError as refused:
            if refused.status != HTTPStatus.CONFLICT:
                raise
            if "rules" in manifest:
                _add_rules(calls, call, meta["name"], where, manifest["rules"])


def of_applications(api: client.ApiClient, name: str, namespaces: Sequence[str], values: Mapping[str, Any]) -> str:
    """The account that the Helm release of that name made for applications; where it makes none, the one of the values.

    Empty where it should have made one in these namespaces, and did not. Raises ApiError.
    """
    if off(values, "spark.serviceAccount.create"):
        return at(values, "spark.serviceAccount.name") or _NO_ACCOUNT
    core = client.CoreV1Api(api)
    for namespace in namespaces:
        selector = f"app.kubernetes.io/instance={name}"
        for it in listed(core.list_namespaced_service_account, namespace, label_selector=selector):
            return str(it["metadata"]["name"])
    return ""


def _switched_on(values: Mapping[str, Any], switch: str) -> dict[str, Any]:
    part, what, _ = switch.split(".")
    named = {"name": at(values, f"{part}.{what}.name") or _NO_ACCOUNT} if what == "serviceAccount" else {}
    return {part: {what: {"create": True, **named}}}


def _identity(manifest: Manifest, namespace: str) -> tuple[str, str, str]:
    meta = manifest.get("metadata") or {}
    return str(manifest.get("kind")), str(meta.get("namespace") or namespace), str(meta.get("name"))


def _own(manifest: Manifest, namespace: str) -> Manifest:
    """The object without the marks of Helm, which does not own it."""
    meta = manifest["metadata"]
    labels = {key: it for key, it in (meta.get("labels") or {}).items() if key not in _OF_HELM}
    scoped = not manifest["kind"].startswith("Cluster")
    where = {"namespace": meta.get("namespace") or namespace} if scoped else {}
    return {**manifest, "metadata": {"name": meta["name"], "labels": labels, **where}}


def _add_rules(calls: Any, call: str, name: str, where: Sequence[str], rules: Sequence[Any]) -> None:
    there = dict(read(getattr(calls, f"read_{call}"), name, *where))
    known = there.get("rules") or []
    there["rules"] = [*known, *(it for it in rules if it not in known)]
    getattr(calls, f"replace_{call}")(name, *where, there)
