# SPDX-License-Identifier: Apache-2.0
"""What surrounds the operator in a cluster: Kubernetes itself, its nodes, and the namespaces of applications."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.releases.values import at
from harness.sites import hide
from harness.sites.installed import registries_of
from harness.sites.model import (
    ClusterFacts,
    HelmRelease,
    Installer,
    Namespace,
    Nodes,
    Object,
    Operator,
    PriorityClass,
    PullSecret,
)
from harness.sites.operators import watched
from harness.sites.reader import Reader

_BY_VERSION = {"+k3s": "k3s", "+rke2": "RKE2", "-eks-": "EKS", "-gke.": "GKE", "-aliyun": "ACK"}
_BY_LABEL = {
    "eks.amazonaws.com/": "EKS",
    "cloud.google.com/gke-": "GKE",
    "kubernetes.azure.com/": "AKS",
    "node.openshift.io/": "OpenShift",
    "minikube.k8s.io/": "minikube",
    "k3s.io/": "k3s",
    "doks.digitalocean.com/": "DOKS",
}
_BY_PROVIDER = {"kind://": "kind", "k3s://": "k3s", "aws://": "Kubernetes on AWS", "azure://": "Kubernetes on Azure"}
_OF_KUBERNETES = "system-"
_POD_SECURITY = "pod-security.kubernetes.io/"


def cluster(reader: Reader) -> ClusterFacts:
    """The version of Kubernetes, its distribution, and the nodes, alike ones together."""
    version = str((reader.one("/version", "the version of Kubernetes") or {}).get("gitVersion") or "unknown")
    nodes = list(reader.items("/api/v1/nodes", "nodes: their architecture, and the distribution"))
    counted = Counter(_node(it) for it in nodes)
    return ClusterFacts(
        version=version,
        distribution=_distribution(version, nodes),
        nodes=tuple(
            Nodes(count=n, architecture=arch, os=os, runtime=runtime, kubelet=kubelet)
            for (arch, os, runtime, kubelet), n in sorted(counted.items())
        ),
    )


def groups(reader: Reader) -> tuple[str, ...]:
    """The API groups that the cluster has."""
    found = reader.one("/apis", "API groups") or {}
    return tuple(sorted(str(it.get("name")) for it in found.get("groups") or ()))


def priority_classes(reader: Reader) -> tuple[PriorityClass, ...]:
    """The PriorityClasses, but for those that every cluster has."""
    items = reader.items("/apis/scheduling.k8s.io/v1/priorityclasses", "PriorityClasses")
    return tuple(
        PriorityClass(
            name=it["metadata"]["name"],
            value=int(it.get("value") or 0),
            default=bool(it.get("globalDefault")),
            preemption=str(it.get("preemptionPolicy") or ""),
        )
        for it in items
        if not it["metadata"]["name"].startswith(_OF_KUBERNETES)
    )


def _node(item: Object) -> tuple[str, str, str, str]:
    info = (item.get("status") or {}).get("nodeInfo") or {}
    names = ("architecture", "operatingSystem", "containerRuntimeVersion", "kubeletVersion")
    arch, os, runtime, kubelet = (str(info.get(name) or "unknown") for name in names)
    return arch, os, runtime, kubelet


def _distribution(version: str, nodes: Sequence[Object]) -> str:
    for mark, name in _BY_VERSION.items():
        if mark in version:
            return name
    labels = {key for it in nodes for key in it["metadata"].get("labels") or ()}
    for mark, name in _BY_LABEL.items():
        if any(key.startswith(mark) for key in labels):
            return name
    providers = {str((it.get("spec") or {}).get("providerID") or "") for it in nodes}
    for mark, name in _BY_PROVIDER.items():
        if any(it.startswith(mark) for it in providers):
            return name
    return "kubernetes"


def job_namespaces(
    operators: Iterable[Operator],
    releases: Iterable[HelmRelease],
    installers: Iterable[Installer],
    used: Iterable[str],
) -> list[str]:
    """The namespaces that are watched by name, and those in which there are applications."""
    found: list[str] = []
    for operator in operators:
        found += watched(operator)
    for values in (*(it.values for it in releases), *(it.values for it in installers)):
        for place in ("spark.jobNamespaces", "spark-operator.spark.jobNamespaces"):
            given = at(values, place)
            found += map(str, given) if isinstance(given, list) else []
    return [it for it in dict.fromkeys((*found, *used)) if it]


def namespace(reader: Reader, name: str, secrets: Iterable[str] = ()) -> Namespace:
    """A namespace: pod security labels, quotas, limits, network policies, pull secrets by name and registries."""
    there = reader.one(f"/api/v1/namespaces/{name}", f"the namespace {name}")
    if there is None:
        unread = any(it.what == f"the namespace {name}" for it in reader.unread)
        return Namespace(name=name, exists=unread)
    labels = there["metadata"].get("labels") or {}
    base, net = f"/api/v1/namespaces/{name}", f"/apis/networking.k8s.io/v1/namespaces/{name}"
    accounts = list(reader.items(f"{base}/serviceaccounts", f"service accounts of {name}"))
    named = [str(it.get("name")) for account in accounts for it in account.get("imagePullSecrets") or ()]
    return Namespace(
        name=name,
        pod_security={key: str(it) for key, it in labels.items() if key.startswith(_POD_SECURITY)},
        quotas=_specs(reader.items(f"{base}/resourcequotas", f"quotas of {name}")),
        limits=_specs(reader.items(f"{base}/limitranges", f"limits of {name}")),
        network_policies=_specs(reader.items(f"{net}/networkpolicies", f"network policies of {name}")),
        pull_secrets=tuple(_pull_secret(reader, name, it) for it in dict.fromkeys((*named, *secrets))),
        accounts=tuple(it["metadata"]["name"] for it in accounts),
    )


def _specs(items: Iterable[Object]) -> dict[str, Any]:
    return {it["metadata"]["name"]: hide.hide(it.get("spec") or {})[0] for it in items}


def _pull_secret(reader: Reader, namespace: str, name: str) -> PullSecret:
    what = f"the registries of pull secret {namespace}/{name}"
    secret = reader.one(f"/api/v1/namespaces/{namespace}/secrets/{name}", what)
    return PullSecret(name=name, registries=registries_of(secret) if secret else None)


def pull_secrets(spec: Mapping[str, Any]) -> list[str]:
    """The pull secrets that an application names."""
    inner = spec.get("template") if isinstance(spec.get("template"), Mapping) else spec
    given = (inner or {}).get("imagePullSecrets")
    return [str(it) for it in given] if isinstance(given, list) else []
