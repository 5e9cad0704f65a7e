# SPDX-License-Identifier: Apache-2.0
"""What of the objects that a chart renders no API server takes, told by the values that it comes from.

Fields that there are not, that are missing or of another kind are found with the models of Kubernetes' own client; what
goes beyond that is in harness/releases/pod_rules.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.late import client
from harness.releases import pod_rules
from harness.releases.pod_rules import Steps
from harness.releases.scheduling import part_of
from harness.releases.values import at

Object = Mapping[str, Any]
Values = Mapping[str, Any]

_MODELS = {
    "v1": ("ConfigMap", "Secret", "Service", "ServiceAccount"),
    "apps/v1": ("Deployment",),
    "batch/v1": ("Job",),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"),
    "admissionregistration.k8s.io/v1": ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
}
_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
}
_QUANTITIES = ("limits", "requests", "sizeLimit", "divisor")
"""Fields of quantities, or of maps of them, which may be written as numbers (apimachinery, api/resource)."""

_OF_POD = {
    "securityContext": "podSecurityContext",
    "imagePullSecrets": "image.pullSecrets",
    "serviceAccountName": "serviceAccount.name",
    "automountServiceAccountToken": "serviceAccount.automountServiceAccountToken",
}
"""Fields of a pod that have another name in the chart's values."""
_OF_CONTAINER = {"image": "image", "imagePullPolicy": "image.pullPolicy"}
_OF_PORTS = (
    *("webhook.portName", "webhook.port", "prometheus.metrics.portName", "prometheus.metrics.port"),
    *("controller.pprof.portName", "controller.pprof.port"),
)
_OF_NAMES = (
    *("fullnameOverride", "nameOverride", "spark.serviceAccount.name", "controller.serviceAccount.name"),
    "webhook.serviceAccount.name",
)
_TELLING = 20
"""So much of a name tells where it comes from: the chart's templates cut long ones off."""
_GLOBAL_KEYS = ("image", "commonLabels", "nameOverride")

_SUBDOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_SERVICE = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_ANY_NAME = ("ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
"""Kinds whose names may have any letters (kubernetes, pkg/apis/rbac/validation)."""


@dataclass(frozen=True, kw_only=True)
class RefusedField:
    """A value by its key, or a field of an object where no value is known that it comes from; and why it is refused."""

    key: str
    why: str

    @property
    def step(self) -> str:
        """What to do about it."""
        return f"correct {self.key}"


def found(objects: Sequence[Object], values: Values) -> Iterator[RefusedField]:
    """What is refused of these objects; `values` are those of the user, to name which of them it comes from."""
    told: set[RefusedField | str] = set()
    for it in objects:
        for steps, why in (*_by_schema(it), *_by_rules(it)):
            one = RefusedField(key=_key(it, steps, values), why=why)
            # A name that is no name is that of several objects.
            mark = one.key if steps == ("metadata", "name") else one
            if mark not in told:
                told.add(mark)
                yield one
    yield from _twice(objects, values)


def _by_schema(it: Object) -> Iterator[pod_rules.Broken]:
    kind = str(it.get("kind"))
    if kind not in _MODELS.get(str(it.get("apiVersion")), ()):
        return
    # pydantic is what the client's models are made with.
    from pydantic import ValidationError

    try:
        getattr(client, f"V1{kind}").model_validate(_whole(it))
    except ValidationError as wrong:
        for error in wrong.errors(include_url=False, include_context=False):
            steps: Steps = tuple(error["loc"])
            given = error["input"]
            if error["type"] == "extra_forbidden":
                yield steps, "is no field that Kubernetes has there"
            elif error["type"] == "missing":
                yield steps[:-1], f"has no {steps[-1]}, which Kubernetes wants there"
            elif not _is_quantity(steps, given):
                shown = json.dumps(given, default=str)
                yield steps, f"is {shown}, and Kubernetes takes {_KINDS.get(error['type'], 'something else')} there"


def _whole(value: Any) -> Any:
    """The same with whole numbers as such: Helm writes large ones with an exponent, and an API server reads them so."""
    if isinstance(value, Mapping):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_quantity(steps: Steps, given: object) -> bool:
    number = isinstance(given, int | float) and not isinstance(given, bool)
    return number and any(it in _QUANTITIES for it in steps[-2:])


def _by_rules(it: Object) -> Iterator[pod_rules.Broken]:
    kind, name = it.get("kind"), at(it, "metadata.name")
    if isinstance(name, str) and kind not in _ANY_NAME:
        rule, most = (_SERVICE, 63) if kind == "Service" else (_SUBDOMAIN, 253)
        if not rule.fullmatch(name):
            takes = f"up to {most} lower-case letters, digits and '-'"
            takes += ", beginning with a letter" if kind == "Service" else ""
            yield ("metadata", "name"), f"makes a {kind} called {name!r}, and Kubernetes takes {takes}"
    yield from _below(("metadata", "labels"), pod_rules.labels(at(it, "metadata.labels")))
    if kind == "Service":
        for number, port in enumerate(at(it, "spec.ports") or ()):
            yield from _below(("spec", "ports", number, "port"), pod_rules.port(at(port, "port")))
            yield from _below(("spec", "ports", number, "targetPort"), pod_rules.port_name(at(port, "targetPort")))
    if kind != "Deployment":
        return
    for key in ("replicas", "revisionHistoryLimit"):
        number = at(it, f"spec.{key}")
        if isinstance(number, int) and number < 0:
            yield ("spec", key), f"is {number}, and Kubernetes takes 0 or more"
    pod = at(it, "spec.template.spec")
    above: Steps = ("spec", "template")
    own = at(it, "spec.template.metadata.labels")
    yield from _below((*above, "metadata", "labels"), pod_rules.labels(own))
    for label, value in (at(it, "spec.selector.matchLabels") or {}).items():
        if isinstance(own, Mapping) and own.get(label) != value:
            words = f"is {own.get(label)}, and the chart selects its pods by {value}"
            yield (*above, "metadata", "labels", label), words
    if isinstance(pod, Mapping):
        yield from _below((*above, "spec"), pod_rules.of_pod(pod))


def _twice(objects: Sequence[Object], values: Values) -> Iterator[RefusedField]:
    """Objects that are rendered twice: Helm 3 stops at the second."""
    known: set[tuple[str, str, str]] = set()
    namespaces = at(values, "spark.jobNamespaces")
    for it in objects:
        one = (str(it.get("kind")), str(at(it, "metadata.namespace") or ""), str(at(it, "metadata.name")))
        if one in known:
            often = isinstance(namespaces, list) and namespaces.count(one[1]) > 1
            key = "spark.jobNamespaces" if often else _named(values, one[2]) or f"{one[0]} {one[2]}"
            why = f"makes the {one[0]} {one[2]}{f' of {one[1]}' if one[1] else ''} twice, which Helm stops at"
            yield RefusedField(key=key, why=why)
            return
        known.add(one)


def _key(it: Object, steps: Steps, values: Values) -> str:
    """The value that a field comes from, as far as the chart's templates pass it on; else the field itself."""
    labels = ("metadata", "labels")
    if steps[:2] == labels and len(steps) > 2 and at(values, "commonLabels") and steps[2] in values["commonLabels"]:
        return f"commonLabels.{steps[2]}"
    if steps == (*labels, "app.kubernetes.io/name"):
        return "nameOverride"
    if it.get("kind") == "Service" and steps[:2] == ("spec", "ports"):
        port = (at(it, "spec.ports") or [{}])[int(steps[2])]
        return _of_port(values, at(port, str(steps[-1])), "Service's port")
    if steps == ("metadata", "name"):
        return _named(values, str(at(it, "metadata.name"))) or "the name of the release"
    if it.get("kind") != "Deployment" or steps[0] != "spec":
        return f"{it.get('kind')} {at(it, 'metadata.name')}: {_dotted(steps)}"
    return _of_deployment(it, steps, values)


def _of_deployment(it: Object, steps: Steps, values: Values) -> str:
    part = part_of(it)
    match steps:
        case ("spec", "template", "metadata", *rest):
            return _of_label(part, [str(it) for it in rest], values)
        case ("spec", "template", "spec", "containers", 0, "ports", int(number), *rest) if rest:
            container = (at(it, "spec.template.spec.containers") or [{}])[0]
            port = container["ports"][number]
            return _of_port(values, at(port, str(rest[0])), f"{part}'s port")
        case ("spec", "template", "spec", "containers", 0, str(field), *rest):
            return _OF_CONTAINER.get(field) or f"{part}.{_dotted((field, *rest))}"
        case ("spec", "template", "spec", "containers", int(number), *rest):
            return f"{part}.{_dotted(('sidecars', number - 1, *rest))}"
        case ("spec", "template", "spec", str(field), *rest):
            named = _OF_POD.get(field, field)
            return _dotted((named, *rest) if named.partition(".")[0] in _GLOBAL_KEYS else (part, named, *rest))
        case ("spec", *rest):
            return f"{part}.{_dotted(rest)}"
    return f"{part}: {_dotted(steps)}"


def _of_label(part: str, steps: Sequence[str], values: Values) -> str:
    own = at(values, f"{part}.{steps[0]}")
    if steps[-1] == "app.kubernetes.io/name" and not (isinstance(own, Mapping) and steps[-1] in own):
        return "nameOverride"
    return f"{part}.{_dotted(steps)}"


def _of_port(values: Values, shown: object, otherwise: str) -> str:
    """The key of the values that has this number or name of a port."""
    return next((key for key in _OF_PORTS if str(at(values, key)) == str(shown)), f"{otherwise} {shown}")


def _named(values: Values, name: str) -> str:
    """The key of the values that a name comes from; empty where it is none of them."""
    return next((key for key in _OF_NAMES if at(values, key) and str(at(values, key))[:_TELLING] in name), "")


def _dotted(steps: Iterable[str | int]) -> str:
    shown = "".join(f"[{it}]" if isinstance(it, int) else f".{it}" for it in steps)
    return shown.removeprefix(".")


def _below(above: Steps, found: Iterable[pod_rules.Broken]) -> Iterator[pod_rules.Broken]:
    yield from (((*above, *steps), words) for steps, words in found)
