# SPDX-License-Identifier: Apache-2.0
"""Finds the operator in a cluster, whatever it is called: Deployments, their pods' images, CRDs, webhooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from harness.kube import reading
from harness.kube.well_known import CRDS_PATH, LAST_APPLIED
from harness.releases.charts import CHART_NAME
from harness.releases.values import at
from harness.sites import hide
from harness.sites.model import Crd, HelmRelease, Image, Object, Operator, Webhook
from harness.sites.reader import Reader

GROUP = "sparkoperator.k8s.io"

_ROLES = ("controller", "webhook")
_CHART = "helm.sh/chart"
_FLUX_NAMESPACE = "helm.toolkit.fluxcd.io/namespace"
_LAUNCHED = "sparkoperator.k8s.io/launched-by-spark-operator=true"
_APPLIED = {
    "helm": "Helm",
    "kubectl": "kubectl",
    "kubectl-client-side-apply": "kubectl apply, client-side",
    "kubectl-create": "kubectl create",
    "kubectl-replace": "kubectl replace",
    "kubectl-edit": "kubectl edit",
    "kubectl-patch": "kubectl patch",
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux's kustomize-controller",
    "helm-controller": "Flux's helm-controller",
}


def deployments(reader: Reader) -> tuple[Operator, ...]:
    """The operator's Deployments in all namespaces: by the chart's label, its name label, or their first arguments."""
    found = reader.items("/apis/apps/v1/deployments", "Deployments, to find the operator")
    return tuple(_operator(it) for it in found if _role(it))


def _role(item: Object) -> str:
    containers = item["spec"]["template"]["spec"].get("containers") or [{}]
    labels = item["metadata"].get("labels") or {}
    ours = (
        str(labels.get(_CHART, "")).startswith(f"{CHART_NAME}-") or labels.get("app.kubernetes.io/name") == CHART_NAME
    )
    for it in containers:
        words = [*(it.get("command") or ()), *(it.get("args") or ())]
        for role in _ROLES:
            if role in words and "start" in words and (ours or "spark" in str(it.get("image"))):
                return role
    return "operator" if ours else ""


def _operator(item: Object) -> Operator:
    metadata, status = item["metadata"], item.get("status") or {}
    role, containers = _role(item), item["spec"]["template"]["spec"].get("containers") or [{}]
    main = next((it for it in containers if role in (it.get("args") or ())), containers[0])
    return Operator(
        name=metadata["name"],
        namespace=metadata.get("namespace", ""),
        role=role,
        image=str(main.get("image") or ""),
        arguments=tuple(hide.text(str(it)) for it in main.get("args") or ()),
        replicas=item["spec"].get("replicas", 1),
        ready=status.get("readyReplicas") or 0,
        labels={key: hide.text(str(it)) for key, it in (metadata.get("labels") or {}).items()},
    )


def helm_homes(operators: Iterable[Operator]) -> list[str]:
    """The namespaces in which Helm may keep records of these: their own and, of Flux, those of their HelmReleases.

    Flux's storageNamespace is that of the HelmRelease, wherever the release itself goes; its label is on all objects.
    """
    found = list(operators)
    of_flux = (it.labels.get(_FLUX_NAMESPACE, "") for it in found)
    return [it for it in dict.fromkeys((*(it.namespace for it in found), *of_flux)) if it]


def watched(operator: Operator) -> tuple[str, ...]:
    """The namespaces that an operator watches; the empty name stands for all of them.

    The charts write all of them as `--namespaces=""`, quotes included, which pflag reads as CSV (StringSlice).
    """
    for it in operator.arguments:
        key, _, value = it.partition("=")
        if key == "--namespaces":
            return tuple(name.strip().strip('"') for name in value.split(","))
    return ("",)


def images(reader: Reader, operators: Sequence[Operator]) -> tuple[Image, ...]:
    """The images of the operator's pods and of the applications' pods, alike ones counted together."""
    counted: Counter[tuple[str, str, str, str]] = Counter()
    for namespace in dict.fromkeys(it.namespace for it in operators):
        names = [it.name for it in operators if it.namespace == namespace]
        for item in reader.items(f"/api/v1/namespaces/{namespace}/pods", f"pods of {namespace}"):
            if any(item["metadata"]["name"].startswith(f"{name}-") for name in names):
                counted.update(_images(item, "operator"))
    for item in reader.items("/api/v1/pods", "pods of applications", labelSelector=_LAUNCHED):
        labels = item["metadata"].get("labels") or {}
        counted.update(_images(item, str(labels.get("spark-role") or "application")))
    return tuple(
        Image(role=role, asked=asked, reported=reported, digest=digest, pods=number)
        for (role, asked, reported, digest), number in sorted(counted.items())
    )


def pull_secrets(releases: Sequence[HelmRelease], homes: Sequence[str]) -> dict[str, list[str]]:
    """The pull secrets that values name for the operator's own image, by the namespace that they are in."""
    found: dict[str, list[str]] = {}
    for release in releases:
        given = at(release.values, "image.pullSecrets")
        names = [str(it.get("name")) for it in given if isinstance(it, dict)] if isinstance(given, list) else []
        if names and release.namespace in homes:
            found[release.namespace] = names
    return found


def _images(item: Object, role: str) -> Iterator[tuple[str, str, str, str]]:
    for it in reading.pod(item).containers:
        yield role, it.image, it.reported, it.image_id.rpartition("@")[2] or it.image_id


def crds(reader: Reader) -> Iterator[tuple[Crd, Any]]:
    """Each CRD of the operator's group, with its spec."""
    for item in reader.items(CRDS_PATH, "CRDs, and with them all applications"):
        if item["spec"]["group"] == GROUP:
            yield _crd(item), item["spec"]


def _crd(item: Object) -> Crd:
    metadata = item["metadata"]
    entries = [it for it in metadata.get("managedFields") or () if it.get("subresource") != "status"]
    return Crd(
        name=metadata["name"],
        managers=tuple(dict.fromkeys(f"{it.get('manager', '')} ({it.get('operation', '')})" for it in entries)),
        applied=_applied(entries, metadata.get("annotations") or {}),
        stored=tuple((item.get("status") or {}).get("storedVersions") or ()),
    )


def _applied(entries: Iterable[Object], annotations: Object) -> str:
    """How an object was applied last, in words, by its field managers and by kubectl's annotation."""
    said = []
    for it in sorted(entries, key=lambda entry: str(entry.get("time") or "")):
        manager, operation = str(it.get("manager") or ""), it.get("operation")
        if manager in ("kube-apiserver", "kube-controller-manager"):
            continue
        words = _APPLIED.get(manager, manager)
        side = "" if "," in words else ", server-side" if operation == "Apply" else ", client-side"
        said.append(f"{words}{side}")
    if LAST_APPLIED in annotations and not any("apply, client-side" in it for it in said):
        said.append("kubectl apply, client-side")
    return "; then ".join(dict.fromkeys(said)) or "unknown: nothing says it"


def webhooks(reader: Reader) -> tuple[Webhook, ...]:
    """The webhooks that look at the operator's kinds, or that its Service answers."""
    found = []
    for kind in ("mutating", "validating"):
        path = f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations"
        for item in reader.items(path, f"{kind} webhook configurations"):
            for it in item.get("webhooks") or ():
                if GROUP in str(it.get("name")) or any(
                    GROUP in (r.get("apiGroups") or ()) for r in it.get("rules") or ()
                ):
                    found.append(_webhook(kind, item["metadata"]["name"], it))
    return tuple(found)


def _webhook(kind: str, configuration: str, item: Object) -> Webhook:
    config = item.get("clientConfig") or {}
    service = config.get("service") or {}
    place = f"{service.get('namespace')}/{service.get('name')}" if service else "an address outside the cluster"
    rules = item.get("rules") or ()
    return Webhook(
        kind=kind,
        configuration=configuration,
        name=str(item.get("name") or ""),
        service=place,
        failure_policy=str(item.get("failurePolicy") or ""),
        timeout_seconds=int(item.get("timeoutSeconds") or 0),
        resources=tuple(dict.fromkeys(str(it) for rule in rules for it in rule.get("resources") or ())),
        ca=bool(config.get("caBundle")),
    )
