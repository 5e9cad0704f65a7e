# SPDX-License-Identifier: Apache-2.0
"""What the API server asks of a pod beyond the kinds of its fields, as far as values get it wrong.

Pure: from a pod's spec to what is wrong with which of its fields (kubernetes, pkg/apis/core/validation/validation.go).
A field that is of another kind than it should be is passed over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.kube.amounts import amount
from harness.releases.values import at

Steps = tuple[str | int, ...]
"""The way to a field: names of fields and numbers of items."""
Broken = tuple[Steps, str]
"""A field, and what is wrong with it, in words."""

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9](?:[a-z0-9-]{0,13}[a-z0-9])?")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_FIELD_PATH = re.compile(
    r"metadata\.(?:name|namespace|uid|(?:labels|annotations)\['[^']+'\])"
    r"|spec\.(?:nodeName|serviceAccountName)|status\.(?:hostIPs?|podIPs?)"
)
"""Fields of a pod that an environment may refer to."""
_LARGEST_PORT = 65535
_HEAVIEST = 100
_LEAST_MEMORY = 2**20

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "effect": ("NoSchedule", "PreferNoSchedule", "NoExecute"),
    "whenUnsatisfiable": ("DoNotSchedule", "ScheduleAnyway"),
}
_OF_TOLERATIONS = ("Exists", "Equal", "Lt", "Gt")
_OF_LABELS = ("In", "NotIn", "Exists", "DoesNotExist")
_OF_NODES = (*_OF_LABELS, "Gt", "Lt")
_PROFILES = ("RuntimeDefault", "Unconfined", "Localhost")


def of_pod(pod: Mapping[str, Any]) -> Iterator[Broken]:
    """What is wrong with a pod's spec."""
    volumes = _items(pod, "volumes")
    yield from _names(volumes, "volumes", "volume")
    for number, it in volumes:
        sources = [key for key, value in it.items() if key != "name" and isinstance(value, Mapping)]
        if len(sources) > 1:
            yield ("volumes", number), f"is of several kinds ({', '.join(sources)}), and Kubernetes takes one"
    there = {it.get("name") for _, it in volumes}
    containers = _items(pod, "containers")
    yield from _names(containers, "containers", "container")
    for number, it in containers:
        yield from _below(("containers", number), _of_container(it, there))
    for number, it in _items(pod, "tolerations"):
        yield from _below(("tolerations", number), _of_toleration(it))
    for number, it in _items(pod, "topologySpreadConstraints"):
        yield from _below(("topologySpreadConstraints", number), _of_spread(it))
    yield from _below(("affinity",), _of_affinity(pod.get("affinity")))
    yield from _below(("nodeSelector",), labels(pod.get("nodeSelector")))
    yield from _below(("securityContext",), _of_profile(pod.get("securityContext")))


def labels(given: Any) -> Iterator[Broken]:
    """Values that no label can have."""
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if isinstance(value, str) and not _LABEL_VALUE.fullmatch(value):
            yield (str(key),), f"is {value!r}, and a label takes up to 63 letters, digits, '-', '_' and '.'"


def port(number: Any) -> Iterator[Broken]:
    """A number that no port has."""
    if isinstance(number, int) and not 1 <= number <= _LARGEST_PORT:
        yield (), f"is {number}, and ports go from 1 to {_LARGEST_PORT}"


def port_name(name: Any) -> Iterator[Broken]:
    """A name that no port of a container can have."""
    if isinstance(name, str) and not _PORT_NAME.fullmatch(name):
        yield (), f"is {name}, and Kubernetes takes up to 15 lower-case letters, digits and '-' for a port"


def _of_container(container: Mapping[str, Any], volumes: Iterable[Any]) -> Iterator[Broken]:
    paths: set[str] = set()
    for number, it in _items(container, "volumeMounts"):
        path, name = it.get("mountPath"), it.get("name")
        here: Steps = ("volumeMounts", number)
        if isinstance(path, str):
            if path in paths:
                yield (*here, "mountPath"), f"is {path}, where another volume is mounted already"
            if not path or ":" in path:
                yield (*here, "mountPath"), f"is {path!r}, which is no path in a container"
            paths.add(path)
        if isinstance(name, str) and name not in volumes:
            yield (*here, "name"), f"is {name}, and the pod has no such volume"
    known: set[str] = set()
    for number, it in _items(container, "ports"):
        yield from _below(("ports", number, "containerPort"), port(it.get("containerPort")))
        yield from _below(("ports", number, "name"), port_name(it.get("name")))
        name = it.get("name")
        if isinstance(name, str) and name in known:
            yield ("ports", number, "name"), f"is {name}, as another port of the container is called"
        known.add(str(name))
    if not container.get("image"):
        yield (), "has no image, which Kubernetes wants there"
    for number, it in _items(container, "env"):
        path = at(it, "valueFrom.fieldRef.fieldPath")
        if isinstance(path, str) and not _FIELD_PATH.fullmatch(path):
            words = f"is {path}, which is no field that a container may have in its environment"
            yield ("env", number, "valueFrom", "fieldRef", "fieldPath"), words
        if it.get("value") and it.get("valueFrom"):
            yield ("env", number), f"has both value and valueFrom ({it.get('name')}), and Kubernetes takes one"
    yield from _below(("resources",), _of_resources(container.get("resources")))
    security = container.get("securityContext")
    yield from _below(("securityContext",), _of_profile(security))
    if at(security, "privileged") is True and at(security, "allowPrivilegeEscalation") is False:
        words = "is false, and privileged is true: Kubernetes does not take both"
        yield ("securityContext", "allowPrivilegeEscalation"), words


def _of_resources(resources: Any) -> Iterator[Broken]:
    limits, requests = (_map(resources, key) for key in ("limits", "requests"))
    for key, given in (("limits", limits), ("requests", requests)):
        for name, value in given.items():
            if amount(value) is None:
                yield (key, name), f"is {value}, which is no quantity of Kubernetes, such as 500m or 512Mi"
    least = amount(limits.get("memory"))
    if least is not None and 0 < least < _LEAST_MEMORY:
        yield ("limits", "memory"), f"is {limits['memory']}, which is less than 1Mi: no container starts with that"
    for name, value in requests.items():
        asked, most = amount(value), amount(limits.get(name))
        if asked is not None and most is not None and asked > most:
            yield ("requests", name), f"is {value}, which is more than the limit of {limits[name]}"


def _of_toleration(it: Mapping[str, Any]) -> Iterator[Broken]:
    yield from _choice(it, "operator", _OF_TOLERATIONS)
    yield from _choice(it, "effect", _CHOICES["effect"])
    if it.get("operator") == "Exists" and it.get("value"):
        yield ("value",), f"is {it['value']}, and the operator Exists takes none"
    if not it.get("key") and it.get("operator") in (None, "", "Equal"):
        yield (), "has no key: Kubernetes takes that with the operator Exists alone"
    if it.get("tolerationSeconds") is not None and it.get("effect") != "NoExecute":
        yield ("tolerationSeconds",), "is of use with the effect NoExecute alone, and refused with others"


def _of_spread(it: Mapping[str, Any]) -> Iterator[Broken]:
    yield from _choice(it, "whenUnsatisfiable", _CHOICES["whenUnsatisfiable"])
    skew = it.get("maxSkew")
    if isinstance(skew, int) and skew < 1:
        yield ("maxSkew",), f"is {skew}, and Kubernetes takes 1 or more"
    if it.get("minDomains") and it.get("whenUnsatisfiable") == "ScheduleAnyway":
        yield ("minDomains",), "is of use with DoNotSchedule alone, and refused with ScheduleAnyway"


def _of_affinity(affinity: Any) -> Iterator[Broken]:
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    preferred = "preferredDuringSchedulingIgnoredDuringExecution"
    nodes = _map(affinity, "nodeAffinity")
    for number, it in _items(nodes.get(required), "nodeSelectorTerms"):
        here: Steps = ("nodeAffinity", required, "nodeSelectorTerms", number)
        yield from _below(here, _expressions(it, _OF_NODES))
    for number, it in _items(nodes, preferred):
        yield from _below(("nodeAffinity", preferred, number), _weight(it))
        here = ("nodeAffinity", preferred, number, "preference")
        yield from _below(here, _expressions(_map(it, "preference"), _OF_NODES))
    for key in ("podAffinity", "podAntiAffinity"):
        pods = _map(affinity, key)
        for number, it in _items(pods, required):
            yield from _below((key, required, number), _of_pods(it))
        for number, it in _items(pods, preferred):
            yield from _below((key, preferred, number), _weight(it))
            yield from _below((key, preferred, number, "podAffinityTerm"), _of_pods(_map(it, "podAffinityTerm")))


def _weight(it: Mapping[str, Any]) -> Iterator[Broken]:
    weight = it.get("weight")
    if isinstance(weight, int) and not 1 <= weight <= _HEAVIEST:
        yield ("weight",), f"is {weight}, and Kubernetes takes 1 to {_HEAVIEST}"


def _of_pods(term: Mapping[str, Any]) -> Iterator[Broken]:
    if term.get("topologyKey") == "":
        yield ("topologyKey",), "is empty, and Kubernetes wants the key of a label of nodes"
    selector = _map(term, "labelSelector")
    yield from _below(("labelSelector", "matchLabels"), labels(selector.get("matchLabels")))
    yield from _below(("labelSelector",), _expressions(selector, _OF_LABELS))


def _expressions(selector: Mapping[str, Any], operators: tuple[str, ...]) -> Iterator[Broken]:
    for number, it in _items(selector, "matchExpressions"):
        here: Steps = ("matchExpressions", number)
        yield from _below(here, _choice(it, "operator", operators))
        if it.get("operator") in ("In", "NotIn") and not it.get("values"):
            yield (*here, "values"), f"is empty, and the operator {it['operator']} wants some"
        if it.get("operator") in ("Exists", "DoesNotExist") and it.get("values"):
            yield (*here, "values"), f"has some, and the operator {it['operator']} takes none"


def _of_profile(security: Any) -> Iterator[Broken]:
    for key in ("seccompProfile", "appArmorProfile"):
        profile = _map(security, key)
        yield from _below((key,), _choice(profile, "type", _PROFILES))
        if profile.get("localhostProfile") and profile.get("type") != "Localhost":
            yield (key, "localhostProfile"), "is of use with the type Localhost alone, and refused with others"


def _choice(it: Mapping[str, Any], key: str, known: tuple[str, ...]) -> Iterator[Broken]:
    value = it.get(key)
    if isinstance(value, str) and value and value not in known:
        yield (key,), f"is {value}, and may be {', '.join(known)}"


def _names(items: Iterable[tuple[int, Mapping[str, Any]]], key: str, what: str) -> Iterator[Broken]:
    known: set[str] = set()
    for number, it in items:
        name = it.get("name")
        if not isinstance(name, str):
            continue
        if name in known:
            yield (key, number, "name"), f"is {name}, as another {what} of the pod is called"
        if not _NAME.fullmatch(name):
            yield (
                (key, number, "name"),
                f"is {name!r}, and Kubernetes takes up to 63 lower-case letters, digits and '-'",
            )
        known.add(name)


def _below(above: Steps, found: Iterable[Broken]) -> Iterator[Broken]:
    yield from (((*above, *steps), words) for steps, words in found)


def _items(value: Any, key: str) -> list[tuple[int, Mapping[str, Any]]]:
    """The mappings in a list, with their numbers."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return [(n, it) for n, it in enumerate(found) if isinstance(it, Mapping)] if isinstance(found, list) else []


def _map(value: Any, key: str) -> Mapping[str, Any]:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
