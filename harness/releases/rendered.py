# SPDX-License-Identifier: Apache-2.0
"""What Helm rendered for a release, held against what is in the cluster now.

Compared is what decides what the operator may do and does: permissions, accounts, the Service, webhook configurations,
arguments and ConfigMaps. What people change without harm (replicas, resources, labels, annotations, log levels, further
containers) is left alone, and so is what the API server or the operator fills in.

Helm keeps each revision in a Secret, as base64 of gzipped JSON (pkg/storage/driver of Helm 3).
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from harness import libyaml
from harness.errors import ApiError, HarnessError
from harness.kube.api import get, listed
from harness.late import client

Object = Mapping[str, Any]

_RBAC = "/apis/rbac.authorization.k8s.io/v1"
_ADMISSION = "/apis/admissionregistration.k8s.io/v1"
_PATHS = {
    "ServiceAccount": "/api/v1/namespaces/{namespace}/serviceaccounts/{name}",
    "ConfigMap": "/api/v1/namespaces/{namespace}/configmaps/{name}",
    "Service": "/api/v1/namespaces/{namespace}/services/{name}",
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments/{name}",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}",
    "Role": _RBAC + "/namespaces/{namespace}/roles/{name}",
    "RoleBinding": _RBAC + "/namespaces/{namespace}/rolebindings/{name}",
    "ClusterRole": _RBAC + "/clusterroles/{name}",
    "ClusterRoleBinding": _RBAC + "/clusterrolebindings/{name}",
    "MutatingWebhookConfiguration": _ADMISSION + "/mutatingwebhookconfigurations/{name}",
    "ValidatingWebhookConfiguration": _ADMISSION + "/validatingwebhookconfigurations/{name}",
}
_WORKLOADS = {
    "Deployment": "/apis/apps/v1/namespaces/{namespace}/deployments",
    "Job": "/apis/batch/v1/namespaces/{namespace}/jobs",
}
_OPERATOR = "spark-operator"
"""A part of the name of every image of the operator, wherever it was copied to."""

_AZURES = ("control-plane", "kubernetes.azure.com/managedby")
"""Labels of Azure's own namespaces."""

_LOGGING = "--zap-"
_DEPLOYED = "deployed"
_MOST_BYTES = 64 << 20


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """A release's newest revision, with its status in Helm's words, and what became of its objects.

    `differences` go by object (`Role/namespace/name`), `compared` are all that were looked at, `left_out` those of
    kinds that are not. `beside` are Deployments and Jobs of the operator that no revision in force accounts for.
    """

    revision: int
    status: str
    compared: tuple[str, ...]
    differences: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def look(api: client.ApiClient, name: str, namespace: str) -> Rendered:
    """Compare the newest revision with the cluster. Raises ApiError, and HarnessError where Helm has no such record."""
    record = _newest(api, name, namespace)
    objects = [it for it in yaml.load_all(record["manifest"], Loader=libyaml.Loader) if it]
    hooks = {(it["kind"], it["name"]) for it in record.get("hooks") or ()}
    return _look(api, name, namespace, objects, hooks, int(record["version"]), record["info"]["status"])


def look_at(api: client.ApiClient, objects: Sequence[Object], name: str, namespace: str) -> Rendered:
    """The same for a release of which Helm keeps no record, with the objects that were put there. Raises ApiError."""
    return _look(api, name, namespace, objects, set(), 1, _DEPLOYED)


def _look(
    api: client.ApiClient,
    name: str,
    namespace: str,
    objects: Sequence[Object],
    hooks: set[tuple[str, str]],
    revision: int,
    status: str,
) -> Rendered:
    known = {label(it, namespace): it for it in objects}
    found = {it: _found(api, known[it], namespace) for it in known if known[it]["kind"] in _PATHS}
    differing = {it: tuple(differences(known[it], live)) for it, live in found.items()}
    own = {(it["kind"], it["metadata"]["name"]) for it in objects} | hooks
    return Rendered(
        revision=revision,
        status=status,
        compared=tuple(found),
        differences={it: lines for it, lines in differing.items() if lines},
        left_out=tuple(it for it in known if it not in found),
        beside=tuple(_beside(api, name, namespace, own)),
    )


def label(item: Object, namespace: str) -> str:
    """An object in a word: kind, namespace where it has one, and name."""
    at = item["metadata"].get("namespace") or namespace
    where = f"{at}/" if "{namespace}" in _PATHS.get(item["kind"], "{namespace}") else ""
    return f"{item['kind']}/{where}{item['metadata']['name']}"


def differences(rendered: Object, live: Object | None) -> Iterator[str]:
    """What the cluster's object lacks or has otherwise, in words; nothing where it means the same."""
    if live is None:
        yield "is gone"
        return
    compare = _COMPARED.get(rendered["kind"])
    if compare:
        yield from compare(rendered, live)


def _newest(api: client.ApiClient, name: str, namespace: str) -> Mapping[str, Any]:
    secrets = listed(client.CoreV1Api(api).list_namespaced_secret, namespace, label_selector=f"owner=helm,name={name}")
    newest = max(secrets, key=lambda it: int(it["metadata"]["labels"]["version"]), default=None)
    if newest is None:
        raise HarnessError(f"Helm keeps no record of {name} in a Secret of {namespace}")
    return unpacked(newest["data"]["release"])


def unpacked(data: str) -> Mapping[str, Any]:
    """The record in such a Secret. Raises HarnessError for one that is none."""
    try:
        stream = zlib.decompressobj(wbits=31)
        text = stream.decompress(base64.b64decode(base64.b64decode(data)), _MOST_BYTES)
        return dict(json.loads(text))
    except (ValueError, zlib.error) as broken:
        raise HarnessError(f"Helm's record of the release cannot be read: {broken}") from broken


def _found(api: client.ApiClient, item: Object, namespace: str) -> Object | None:
    at = item["metadata"].get("namespace") or namespace
    try:
        return get(api, _PATHS[item["kind"]].format(namespace=at, name=item["metadata"]["name"]))
    except ApiError as missing:
        if missing.status != 404:
            raise
        return None


def _beside(api: client.ApiClient, name: str, namespace: str, own: set[tuple[str, str]]) -> Iterator[str]:
    """Deployments and Jobs of the operator that are none of these."""
    for kind, path in _WORKLOADS.items():
        for item in get(api, path.format(namespace=namespace)).get("items") or ():
            if (kind, item["metadata"]["name"]) not in own and is_operators(item, name):
                yield f"{kind}/{namespace}/{item['metadata']['name']}"


def is_operators(item: Object, name: str) -> bool:
    """Whether a Deployment or Job belongs to the operator: by the label of the Helm release, or by its images."""
    pod = item["spec"]["template"]["spec"]
    images = [it.get("image") or "" for it in (*pod.get("containers", ()), *pod.get("initContainers", ()))]
    labelled = (item["metadata"].get("labels") or {}).get("app.kubernetes.io/instance") == name
    return labelled or any(_OPERATOR in it.partition("@")[0] for it in images)


def _permissions(rules: Sequence[Object] | None) -> set[str]:
    """Each permission in words, whatever the order and the grouping of rules."""
    found = set()
    for rule in rules or ():
        named = rule.get("resourceNames") or [""]
        for verb in rule.get("verbs") or ():
            found |= {f"{verb} {url}" for url in rule.get("nonResourceURLs") or ()}
            found |= {
                f"{verb} {resource}{f'.{group}' if group else ''}{f' {one}' if one else ''}"
                for group in rule.get("apiGroups") or ()
                for resource in rule.get("resources") or ()
                for one in named
            }
    return found


def _role(rendered: Object, live: Object) -> Iterator[str]:
    lost = sorted(_permissions(rendered.get("rules")) - _permissions(live.get("rules")))
    # The rules of an aggregated role are the API server's to fill in.
    if lost and not rendered.get("aggregationRule"):
        yield f"does not allow: {', '.join(lost)}"


def _binding(rendered: Object, live: Object) -> Iterator[str]:
    if any(live["roleRef"].get(key) != value for key, value in rendered["roleRef"].items()):
        yield f"is about {live['roleRef'].get('name')} instead of {rendered['roleRef']['name']}"
    there = {(it["kind"], it["name"], it.get("namespace", "")) for it in live.get("subjects") or ()}
    for it in rendered.get("subjects") or ():
        if (it["kind"], it["name"], it.get("namespace", "")) not in there:
            yield f"does not bind {it['kind']} {it['name']}"


def _service(rendered: Object, live: Object) -> Iterator[str]:
    yield from _unlike("selector", rendered["spec"].get("selector"), live["spec"].get("selector"))
    there = {(it["port"], str(it.get("targetPort", it["port"]))) for it in live["spec"].get("ports") or ()}
    for it in rendered["spec"].get("ports") or ():
        if (it["port"], str(it.get("targetPort", it["port"]))) not in there:
            yield f"has no port {it['port']} that leads to {it.get('targetPort', it['port'])}"
    if set(live["spec"].get("selector") or ()) - set(rendered["spec"].get("selector") or ()):
        yield f"selects by more: {live['spec']['selector']}"


def _webhooks(rendered: Object, live: Object) -> Iterator[str]:
    there = {it["name"]: it for it in live.get("webhooks") or ()}
    for it in rendered.get("webhooks") or ():
        if it["name"] not in there:
            yield f"has no webhook {it['name']}"
            continue
        found = _without_exclusions(it, there[it["name"]])
        yield from _unlike(it["name"], it, found)
        for key in ("namespaceSelector", "objectSelector"):
            if found.get(key) and not it.get(key):
                yield f"{it['name']}.{key} is {found[key]!r}, and was not rendered"


def _without_exclusions(rendered: Object, found: Object) -> Object:
    """A webhook without what Azure writes into each, lest it is asked about its own namespaces (Azure/AKS#1771)."""
    wanted = (rendered.get("namespaceSelector") or {}).get("matchExpressions") or []
    selector = dict(found.get("namespaceSelector") or {})
    kept = [it for it in selector.pop("matchExpressions", None) or [] if it in wanted or it.get("key") not in _AZURES]
    return {**found, "namespaceSelector": {**selector, **({"matchExpressions": kept} if kept else {})}}


def _deployment(rendered: Object, live: Object) -> Iterator[str]:
    there = {it["name"]: it for it in live["spec"]["template"]["spec"]["containers"]}
    for it in rendered["spec"]["template"]["spec"]["containers"]:
        if it["name"] not in there:
            yield f"has no container {it['name']}"
            continue
        wanted, found = _arguments(it), _arguments(there[it["name"]])
        lost, more = sorted(wanted - found), sorted(found - wanted)
        if lost or more:
            yield f"runs with {', '.join(more) or 'nothing'} instead of {', '.join(lost) or 'nothing'}"


def _arguments(container: Object) -> set[str]:
    return {it for it in container.get("args") or () if not it.startswith(_LOGGING)}


def _data(rendered: Object, live: Object) -> Iterator[str]:
    wanted, found = rendered.get("data") or {}, live.get("data") or {}
    for key in sorted({*wanted, *found}):
        if wanted.get(key) != found.get(key):
            yield f"data.{key} is not as rendered"


def _unlike(path: str, wanted: Any, found: Any) -> Iterator[str]:
    """Where the cluster has another value than was rendered; what was rendered empty is the API server's to fill in."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key, value in wanted.items():
            yield from _unlike(f"{path}.{key}", value, found.get(key))
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for number, (one, other) in enumerate(zip(_ordered(wanted), _ordered(found), strict=True)):
            yield from _unlike(f"{path}[{number}]", one, other)
    elif wanted != found and (wanted or found):
        yield f"{path} is {found!r} instead of {wanted!r}"


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Lists of texts are sets; others keep their order."""
    return sorted(values) if all(isinstance(it, str) for it in values) else list(values)


_COMPARED: Mapping[str, Callable[[Object, Object], Iterator[str]]] = {
    "Role": _role,
    "ClusterRole": _role,
    "RoleBinding": _binding,
    "ClusterRoleBinding": _binding,
    "Service": _service,
    "MutatingWebhookConfiguration": _webhooks,
    "ValidatingWebhookConfiguration": _webhooks,
    "Deployment": _deployment,
    "ConfigMap": _data,
}
