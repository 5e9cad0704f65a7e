# SPDX-License-Identifier: Apache-2.0
"""Moves a user's application to a namespace of a run: wherever it names its own, its accounts, or where pods go.

What is changed and what is left out is told, so that nobody takes the copy for the original.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.apps.objects import CONNECT, SCHEDULED
from harness.apps.pods import LABEL_SCHEDULE
from harness.apps.samples import Manifest
from harness.kube.well_known import LAST_APPLIED

_KEPT_METADATA = ("name", "labels", "annotations")
_DRIVER_CONTAINER = "spark-kubernetes-driver"
_REQUEST_CONF = re.compile(r"spark\.kubernetes\.(driver|executor)\.request\.cores")
_NAMESPACE_CONF = "spark.kubernetes.namespace"
_ACCOUNT_CONF = re.compile(r"spark\.kubernetes\.authenticate\.((driver|executor)\.)?serviceAccountName")
_SELECTOR_CONF = re.compile(r"spark\.kubernetes\.((driver|executor)\.)?node\.selector\.(?P<label>.+)")
_SCHEDULER_CONF = re.compile(r"spark\.kubernetes\.((driver|executor)\.)?scheduler\.name")
_STEPS_CONF = re.compile(r"spark\.kubernetes\.(driver|executor)\.pod\.featureSteps")
_OF_SCHEDULERS = ("org.apache.spark.deploy.k8s.features.VolcanoFeatureStep",)
_ELSEWHERE_CONF = re.compile(
    r"spark\.kubernetes\.scheduler\.volcano\.podGroupTemplateFile|spark\.kubernetes\.driver\.master"
    r"|spark\.kubernetes\.authenticate\..*(?:caCertFile|clientKeyFile|clientCertFile|oauthToken|oauthTokenFile)"
)
"""What Volcano has to be there for, and how to reach and to log in to another API server."""

_NAMED_CONF = ("spark.kubernetes.driver.pod.name", "spark.kubernetes.executor.podNamePrefix")
"""Names that the copy of before a move and that of after it must not share."""

_EVERY_NODE_HAS = {"kubernetes.io/os": "linux", "beta.kubernetes.io/os": "linux"}
_AFFINITIES = ("nodeAffinity", "podAffinity", "podAntiAffinity")
_HOSTNAME = "kubernetes.io/hostname"
"""The one label for topologies that every node has; zones and regions are a cloud's."""

_DEFAULT_SCHEDULER = ("", "default-scheduler")
_PLACES = ("schedulerName", "priorityClassName", "priority", "podName", "nodeName", "runtimeClassName")
_BATCH = ("batchScheduler", "batchSchedulerOptions")


def moved(document: Manifest, namespace: str, name: str) -> Manifest:
    """A copy of an object in another namespace, under that name, without what an API server adds.

    The copy of a schedule's run is no run of that schedule, which would otherwise delete it with its history.
    """
    made = {key: copy.deepcopy(value) for key, value in document.items() if key != "status"}
    metadata = {key: value for key, value in made["metadata"].items() if key in _KEPT_METADATA}
    if LABEL_SCHEDULE in (metadata.get("labels") or {}):
        metadata["labels"] = {key: it for key, it in metadata["labels"].items() if key != LABEL_SCHEDULE}
    annotations = {key: it for key, it in (metadata.pop("annotations", None) or {}).items() if key != LAST_APPLIED}
    made["metadata"] = {
        **metadata,
        **({"annotations": annotations} if annotations else {}),
        "namespace": namespace,
        "name": name,
    }
    return made


def settle(made: Manifest, account: str, request: str) -> list[str]:
    """Let a moved application run where it is now: under this account, and asking for so many processors.

    Its accounts, its namespace, and the nodes, schedulers and priorities that no cluster of a run has are changed or
    left out everywhere. Returns what was left out, in words.
    """
    spec = made["spec"]
    if made["kind"] == SCHEDULED.kind:
        spec["template"] = {**(spec.get("template") or {})}
        spec = spec["template"]
    left_out: list[str] = []
    for path, part in _parts(spec):
        left_out += _leave_out(path, part)
    for path, pod in _pod_templates(made["kind"], spec):
        pod.pop("serviceAccount", None)
        pod.pop("serviceAccountName", None)
        left_out += _leave_out(path, pod)
    _settle_conf(spec, made["metadata"]["namespace"], left_out)
    if made["kind"] == CONNECT.kind:
        _settle_server(spec, account, request)
    else:
        _settle_roles(spec, account, request)
    return left_out


def homes(document: Mapping[str, Any]) -> list[str]:
    """Addresses of services in the namespace that an application comes from; in a run there is no such service."""
    home = str((document.get("metadata") or {}).get("namespace") or "")
    if not home:
        return []
    address = re.compile(rf"[\w.-]+\.{re.escape(home)}\.svc[\w.-]*(:\d+)?")
    found = (match[0] for text in texts(document.get("spec")) for match in address.finditer(text))
    return list(dict.fromkeys(found))


def _parts(spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The spec, its driver and its executor, which all may say where pods go."""
    yield "", spec
    for role in ("driver", "executor"):
        if isinstance(spec.get(role), dict):
            yield f"{role}.", spec[role]


def _pod_templates(kind: str, spec: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for role in ("server", "executor") if kind == CONNECT.kind else ("driver", "executor"):
        template = (spec.get(role) or {}).get("template")
        if isinstance(template, dict) and isinstance(template.get("spec"), dict):
            yield f"{role}.template.spec.", template["spec"]


def _leave_out(path: str, part: dict[str, Any]) -> Iterator[str]:
    """Take out what binds pods to nodes, schedulers and priorities that are not there."""
    selector = part.get("nodeSelector") or {}
    elsewhere = {label: value for label, value in selector.items() if _EVERY_NODE_HAS.get(label) != value}
    if elsewhere:
        part["nodeSelector"] = {label: it for label, it in selector.items() if label not in elsewhere}
        yield f"{path}nodeSelector {', '.join(f'{label}={value}' for label, value in elsewhere.items())}"
    affinity = part.get("affinity")
    for kind in _AFFINITIES:
        rules = affinity.get(kind) if isinstance(affinity, dict) else None
        if isinstance(rules, dict) and rules.pop("requiredDuringSchedulingIgnoredDuringExecution", None) is not None:
            yield f"{path}affinity.{kind}"
    spread = part.get("topologySpreadConstraints")
    if isinstance(spread, list) and (bound := [it for it in spread if _binds(it)]):
        part["topologySpreadConstraints"] = [it for it in spread if it not in bound]
        keys = ", ".join(dict.fromkeys(str(it.get("topologyKey")) for it in bound))
        yield f"{path}topologySpreadConstraints {keys}"
    for key in _PLACES:
        if part.get(key) and not (key == "schedulerName" and part[key] in _DEFAULT_SCHEDULER):
            yield f"{path}{key} {part.pop(key)}"
    for key in _BATCH:
        if part.get(key):
            value = part.pop(key)
            yield f"{path}{key}{f' {value}' if isinstance(value, str) else ''}"


def _binds(constraint: object) -> bool:
    """Whether a constraint keeps pods from a single node, or from nodes that are in no zone."""
    if not isinstance(constraint, dict) or constraint.get("whenUnsatisfiable", "DoNotSchedule") != "DoNotSchedule":
        return False
    return constraint.get("topologyKey") != _HOSTNAME or "minDomains" in constraint


def _settle_conf(spec: dict[str, Any], namespace: str, left_out: list[str]) -> None:
    conf: dict[str, Any] = {}
    for key, value in (spec.get("sparkConf") or {}).items():
        selector = _SELECTOR_CONF.fullmatch(str(key))
        on_nodes = selector is not None and _EVERY_NODE_HAS.get(selector["label"]) != value
        scheduler = _SCHEDULER_CONF.fullmatch(str(key)) and value not in _DEFAULT_SCHEDULER
        if key == _NAMESPACE_CONF:
            conf[key] = namespace
        elif on_nodes or scheduler or key in _NAMED_CONF:
            left_out.append(f"sparkConf {key}={value}")
        elif _ELSEWHERE_CONF.fullmatch(str(key)):
            # A token is a secret.
            left_out.append(f"sparkConf {key}")
        elif _STEPS_CONF.fullmatch(str(key)):
            own = [it for it in str(value).split(",") if not it.strip().startswith(_OF_SCHEDULERS)]
            left_out += [f"sparkConf {key}={value}"] if ",".join(own) != str(value) else []
            conf |= {key: ",".join(own)} if own else {}
        elif not _ACCOUNT_CONF.fullmatch(str(key)) and not _REQUEST_CONF.fullmatch(str(key)):
            conf[key] = value
    if conf or "sparkConf" in spec:
        spec["sparkConf"] = conf


def _settle_roles(spec: dict[str, Any], account: str, request: str) -> None:
    for role in ("driver", "executor"):
        part = spec[role] = {**(spec.get(role) or {}), "coreRequest": request}
        if role == "driver" or "serviceAccount" in part:
            part["serviceAccount"] = account


def _settle_server(spec: dict[str, Any], account: str, request: str) -> None:
    """The same for a Connect server, whose pod comes from a template alone."""
    server = spec["server"] = {**(spec.get("server") or {})}
    template = server["template"] = {**(server.get("template") or {})}
    pod = template["spec"] = {**(template.get("spec") or {})}
    # A pod template needs a container; one without an image gets that of the spec.
    pod["containers"] = pod.get("containers") or [{"name": _DRIVER_CONTAINER, "image": spec.get("image", "")}]
    pod["serviceAccountName"] = account
    for container in pod["containers"]:
        asked = (container.get("resources") or {}).get("requests") or {}
        if "cpu" in asked:
            asked["cpu"] = request
    spec["sparkConf"] = {**(spec.get("sparkConf") or {}), "spark.kubernetes.executor.request.cores": request}


def texts(value: object) -> Iterator[str]:
    """Every text in a value."""
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
        yield from texts(inner)
