# SPDX-License-Identifier: Apache-2.0
"""Values that are of the right kind, and that the target's templates, Kubernetes or the operator refuse together."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from harness.advice.remarks import End, Remark, read
from harness.audit.expressions import is_known
from harness.matrix.versions import numbers
from harness.releases.values import at, merge

Values = Mapping[str, Any]

_TEMPLATES_IN_TMP = (2, 4, 0)
"""The first release that writes a pod template below /tmp for each submission
(internal/controller/sparkapplication/submission.go)."""

_WRITTEN_TO = {"controller": "/tmp", "webhook": "/etc/k8s-webhook-server/serving-certs"}  # noqa: S108 - of a container
"""Where each part writes (internal/controller/sparkapplication/submission.go, cmd/operator/webhook/start.go)."""

_LEVELS = ("debug", "info", "error", "panic")
"""Levels of logs beside numbers (sigs.k8s.io/controller-runtime, pkg/log/zap/flags.go)."""

_CHOICES = {
    "image.pullPolicy": ("Always", "IfNotPresent", "Never"),
    "webhook.failurePolicy": ("Fail", "Ignore"),
    "controller.logLevel": _LEVELS,
    "webhook.logLevel": _LEVELS,
    "controller.logEncoder": ("console", "json"),
    "webhook.logEncoder": ("console", "json"),
    "controller.scheduledSparkApplicationTimestampPrecision": ("nanos", "micros", "millis", "seconds", "minutes"),
}
_LONGEST_WEBHOOK = 30
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
"""A duration of Go's time.ParseDuration."""

_PORTS = {
    "controller": {
        "prometheus.metrics.port": "prometheus.metrics.enable",
        "controller.pprof.port": "controller.pprof.enable",
    },
    "webhook": {"webhook.port": "webhook.enable", "prometheus.metrics.port": "prometheus.metrics.enable"},
}
"""Ports that each part listens on, with what switches them on (templates/controller and templates/webhook)."""
_PROBES = 8081
"""Where each part answers the kubelet, which no value changes (cmd/operator/controller/start.go, webhook/start.go)."""

_SCHEDULERS = ("volcano", "yunikorn")
"""Batch schedulers that the controller has (cmd/operator/controller/start.go)."""
_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")

_EVERY_GATE = ("AllAlpha", "AllBeta")
_FOR_IMAGES = ("imageRegistry", "imagePullSecrets", "image", "registry")


def remarks(values: Values, above: str, target: End) -> Iterator[Remark]:
    """What is refused of these values, over those of the target's chart; nothing where these are not known."""
    if target.defaults is None:
        return
    used = merge(target.defaults, values)
    told = [*_monitored(used), *_gates(used, target.defaults), *_chosen(values), *_namespaces(values)]
    told += _scheduler(used)
    for part in ("controller", "webhook"):
        if part == "controller" or at(used, "webhook.enable"):
            told += [*_several(used, part), *_mounted(used, part), *_written(used, part, target), *_root(used, part)]
            told += _listening(values, used, part, target.defaults)
    for key, why, step in told:
        yield Remark(sentence=read(f"{above}{key} {why}", target), step=f"{step[0]}{above}{step[1]}", stops=True)
    yield from _without_leader(used, above, target)
    yield from _global(values, target)


_Told = tuple[str, str, tuple[str, str]]
"""A key, what is said of it, and the step in two halves, between which the path to the operator's values stands."""


def _several(used: Values, part: str) -> Iterator[_Told]:
    if not _one(at(used, f"{part}.replicas")):
        return
    for key, off in (("podDisruptionBudget.enable", "to false"), ("topologySpreadConstraints", "to []")):
        if at(used, f"{part}.{key}"):
            why = f"needs more than one replica: with {part}.replicas at 1 the chart does not render"
            yield f"{part}.{key}", why, ("set ", f"{part}.replicas to 2, or {key} {off}")


def _one(replicas: object) -> bool:
    """Whether the templates take this number, or this text, for one or less."""
    try:
        return int(str(replicas)) <= 1
    except ValueError:
        return False


def _monitored(used: Values) -> Iterator[_Told]:
    if at(used, "prometheus.podMonitor.create") and not at(used, "prometheus.metrics.enable"):
        why = "needs prometheus.metrics.enable: without it the chart does not render"
        step = "prometheus.metrics.enable to true, or prometheus.podMonitor.create to false"
        yield "prometheus.podMonitor.create", why, ("set ", step)


def _gates(used: Values, defaults: Values) -> Iterator[_Told]:
    key = "controller.featureGates"
    known = [*_names(at(defaults, key)), *_EVERY_GATE]
    given = at(used, key) if len(known) > len(_EVERY_GATE) else None
    for it in given if isinstance(given, list) else ():
        if not isinstance(it, Mapping) or it.get("enabled") is None:
            why = f"has {it}, and the chart makes a flag of the name and the enabled of each"
            yield key, why, ("write each of ", f"{key} like {{name: PartialRestart, enabled: true}}")
    for name in _names(given):
        if name not in known:
            why = (
                f"has {name}, which is none of {', '.join(known)}: the controller ends at a gate that it does not know"
            )
            yield key, why, (f"take {name} out of ", key)


def _chosen(values: Values) -> Iterator[_Told]:
    """Values of which Kubernetes, or a program, knows a few."""
    for key, known in _CHOICES.items():
        value = at(values, key)
        if value and isinstance(value, str) and is_known(value) and value not in known and not value.isdigit():
            few = ", ".join(known)
            yield key, f"is {value}, and may be {few}", ("set ", f"{key} to one of {few}")
    for key in ("certManager.duration", "certManager.renewBefore"):
        value = str(at(values, key) or "")
        if value and is_known(value) and not _GO_DURATION.fullmatch(value):
            why = f"is {value}, and cert-manager takes hours, minutes and seconds, such as 2160h"
            yield key, why, ("write ", f"{key} in hours")
    seconds = at(values, "webhook.timeoutSeconds")
    if isinstance(seconds, int) and not 1 <= seconds <= _LONGEST_WEBHOOK:
        why = f"is {seconds}, and Kubernetes takes 1 to {_LONGEST_WEBHOOK}"
        yield "webhook.timeoutSeconds", why, ("set ", f"webhook.timeoutSeconds to {_LONGEST_WEBHOOK} or less")
    name = at(values, "fullnameOverride")
    if name and is_known(str(name)) and not _LABEL.fullmatch(str(name)):
        why = f"is {name}, which is no name for a Service: lower-case letters, digits and -, beginning with a letter"
        yield "fullnameOverride", why, ("correct ", "fullnameOverride")


def _namespaces(values: Values) -> Iterator[_Told]:
    given = at(values, "spark.jobNamespaces")
    for name in given if isinstance(given, list) else ():
        if name and is_known(str(name)) and not _NAMESPACE.fullmatch(str(name)):
            why = f"has {name}, which is no name of a namespace; all namespaces are the empty text"
            step = 'spark.jobNamespaces to the names of namespaces, or to [""] for all'
            yield "spark.jobNamespaces", why, ("set ", step)


def _scheduler(used: Values) -> Iterator[_Told]:
    """A default batch scheduler that the controller does not have."""
    key, named = "controller.batchScheduler.default", "controller.batchScheduler.kubeSchedulerNames"
    name, others = at(used, key), at(used, named)
    known = [*_SCHEDULERS, *(others if isinstance(others, list) else ())]
    if at(used, "controller.batchScheduler.enable") and name and is_known(str(name)) and name not in known:
        why = (
            f"is {name}, which is neither {' nor '.join(_SCHEDULERS)} nor in {named}: the controller ends at its start"
        )
        yield key, why, ("set ", f"{key} to one of {', '.join(known)}, or to nothing")


def _listening(values: Values, used: Values, part: str, defaults: Values) -> Iterator[_Told]:
    """A port that a part is to listen on twice."""
    taken: dict[str, str] = {str(_PROBES): f"the port of the {part}'s probes"}
    ports = [(key, str(at(used, key))) for key, on in _PORTS[part].items() if at(used, on)]
    # What the values leave to the chart is there first.
    for key, port in sorted(ports, key=lambda it: at(values, it[0]) is not None):
        if port in taken:
            why = (
                f"is {port}, and so is {taken[port]}: the {part} ends at its start, since it cannot listen there twice"
            )
            yield key, why, ("set ", f"{key} to another port, such as the chart's {at(defaults, key)}")
        taken.setdefault(port, key)


def _mounted(used: Values, part: str) -> Iterator[_Told]:
    """Mounts of volumes that a list of the user's has taken the place of."""
    there = _names(at(used, f"{part}.volumes"))
    for name in dict.fromkeys(_names(at(used, f"{part}.volumeMounts"))):
        if name not in there:
            why = f"mounts {name}, which {part}.volumes does not have: a list in the values replaces that of the chart"
            yield f"{part}.volumeMounts", why, (f"add the volume {name} to ", f"{part}.volumes")


def _written(used: Values, part: str, target: End) -> Iterator[_Told]:
    """Folders that have to be written to, and that lie on a read-only root file system."""
    folder = _WRITTEN_TO[part]
    if part == "controller" and numbers(target.name) < _TEMPLATES_IN_TMP:
        return
    paths = [str(it.get("mountPath")).rstrip("/") for it in _items(at(used, f"{part}.volumeMounts"))]
    if at(used, f"{part}.securityContext.readOnlyRootFilesystem") is True and not _covers(paths, folder):
        what = "writes the pod templates of each application" if part == "controller" else "writes its certificate"
        why = f"mounts nothing at {folder}, where the {part} {what}, and its root file system is read-only"
        step = (f"add a mount at {folder}, of a volume like the chart's own, to ", f"{part}.volumeMounts")
        yield f"{part}.volumeMounts", why, step


def _covers(paths: list[str], folder: str) -> bool:
    return any(folder == it or folder.startswith(f"{it}/") for it in paths)


def _root(used: Values, part: str) -> Iterator[_Told]:
    container, pod = f"{part}.securityContext", f"{part}.podSecurityContext"
    user, key = at(used, f"{container}.runAsUser"), f"{container}.runAsUser"
    if user is None:
        user, key = at(used, f"{pod}.runAsUser"), f"{pod}.runAsUser"
    strict = at(used, f"{container}.runAsNonRoot")
    if user == 0 and (at(used, f"{pod}.runAsNonRoot") if strict is None else strict) is True:
        why = "is 0, and runAsNonRoot is true: Kubernetes does not start the container"
        yield key, why, ("remove ", f"{key} from the values, or set runAsNonRoot to false")


def _without_leader(used: Values, above: str, target: End) -> Iterator[Remark]:
    """Several controllers of which each does all the work."""
    key = "controller.leaderElection.enable"
    replicas = at(used, "controller.replicas")
    if at(used, key) is False and isinstance(replicas, int) and replicas > 1:
        text = f"{above}{key} is false with several replicas: each of them submits every application"
        yield Remark(sentence=read(text, target), step=f"set {above}{key} to true, or {above}controller.replicas to 1")


def _global(values: Values, target: End) -> Iterator[Remark]:
    """Settings for all charts that this one does not read."""
    given = at(values, "global")
    for key in given if isinstance(given, Mapping) else ():
        if key in _FOR_IMAGES:
            text = f"global.{key} has no effect on the operator: the chart of {target.name} reads nothing below global"
            yield Remark(sentence=read(f"{text}; it has image.registry and image.pullSecrets", target))


def _items(value: object) -> list[Mapping[str, Any]]:
    return [it for it in value if isinstance(it, Mapping)] if isinstance(value, list) else []


def _names(value: object) -> list[str]:
    return [str(it.get("name")) for it in _items(value)]
