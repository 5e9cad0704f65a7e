# SPDX-License-Identifier: Apache-2.0
"""Values that are of the right kind, and that the target's templates, Kubernetes or the operator refuse together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.matrix.versions import numbers
from harness.releases import futile_values, value_kinds
from harness.releases.namespaces import requirements
from harness.releases.values import at, mappings, merge

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
    "controller.scheduledSparkApplicationTimestampPrecision": ("nanos", "micros", "millis", "seconds", "minutes"),
}
_OF_LOGS = {"logLevel": (*_LEVELS, "or a number from 1 on"), "logEncoder": ("console", "json")}
"""The same of logs, where upper-case letters count as lower-case ones."""
_LONGEST_WEBHOOK = 30
_WHOLE = re.compile(r"-?\d{1,9}")
"""A whole number, also as text: the templates write both alike."""

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
_KUBE_SCHEDULERS = "controller.batchScheduler.kubeSchedulerNames"
_LEVEL = re.compile(r"\+?0*[1-9]\d*")
"""A number that is above zero, as Go reads it."""
_LABEL = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

_OF_CERTIFICATES = {"duration": "2160h", "renewBefore": "0"}
"""cert-manager's own, where values set none; of the time before, it takes a third of the duration."""

_OF_PROMETHEUS = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")

_ENDS = "the controller ends at its start"
_JITTER = 1.2
"""How much longer than a period of retries client-go wants to have for a renewal (JitterFactor)."""

_LABEL_KEY = r"(?:[A-Za-z0-9.-]+/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?"
_LABEL_TEXT = r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?)?"
_REQUIREMENT = re.compile(
    rf"!?\s*{_LABEL_KEY}|{_LABEL_KEY}\s*(?:=|==|!=)\s*{_LABEL_TEXT}|{_LABEL_KEY}\s*[<>]\s*\d+"
    rf"|{_LABEL_KEY}\s+(?:not)?in\s*\((?:\s*{_LABEL_TEXT}\s*,)*\s*{_LABEL_TEXT}\s*\)"
)
"""One requirement of a selector of labels as a text, between commas (apimachinery, pkg/labels/selector.go)."""

_BOOLEANS = ("1", "t", "T", "true", "TRUE", "True", "0", "f", "F", "false", "FALSE", "False")
"""What Go's strconv.ParseBool takes, by which gates are read (k8s.io/component-base, featuregate)."""
_EVERY_GATE = ("AllAlpha", "AllBeta")


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A key, why its value is refused, and the step in two halves, between which the path to the values stands.

    `value` is what is refused, where it may be a template that is still to be filled in.
    """

    key: str
    why: str
    step: tuple[str, str]
    value: object = None


def found(values: Values, defaults: Values, name: str) -> Iterator[Refused]:
    """What is refused of these values, over those of the chart of the release of that name."""
    used = merge(defaults, values)
    yield from _monitored(used)
    yield from _gates(used, defaults)
    yield from _chosen(values, defaults)
    yield from _namespaces(values)
    yield from _scheduler(used)
    yield from _leading(used)
    yield from _buckets(values)
    yield from _metric_names(values, defaults)
    yield from _selector(values, defaults)
    yield from _ingress(used)
    for key, why, step, value in futile_values.found(values, defaults):
        yield Refused(key=key, why=why, step=step, value=value)
    for part in ("controller", "webhook"):
        if part == "controller" or at(used, "webhook.enable"):
            yield from _several(used, part)
            yield from _mounted(used, part)
            yield from _written(used, part, name)
            yield from _root(used, part)
            yield from _listening(values, used, part, defaults)


def _several(used: Values, part: str) -> Iterator[Refused]:
    if not _one(at(used, f"{part}.replicas")):
        return
    for key, off in (("podDisruptionBudget.enable", "to false"), ("topologySpreadConstraints", "to []")):
        if at(used, f"{part}.{key}"):
            why = f"needs more than one replica: with {part}.replicas at 1 the chart does not render"
            yield Refused(key=f"{part}.{key}", why=why, step=("set ", f"{part}.replicas to 2, or {key} {off}"))


def _one(replicas: object) -> bool:
    """Whether the templates take this number, or this text, for one or less."""
    try:
        return int(str(replicas)) <= 1
    except ValueError:
        return False


def _monitored(used: Values) -> Iterator[Refused]:
    if at(used, "prometheus.podMonitor.create") and not at(used, "prometheus.metrics.enable"):
        why = "needs prometheus.metrics.enable: without it the chart does not render"
        step = "prometheus.metrics.enable to true, or prometheus.podMonitor.create to false"
        yield Refused(key="prometheus.podMonitor.create", why=why, step=("set ", step))


def _gates(used: Values, defaults: Values) -> Iterator[Refused]:
    key = "controller.featureGates"
    known = [*_names(at(defaults, key)), *_EVERY_GATE]
    given = at(used, key) if len(known) > len(_EVERY_GATE) else None
    for it in given if isinstance(given, list) else ():
        if not isinstance(it, Mapping) or it.get("enabled") is None:
            why = f"has {_shown(it)}, and the chart makes a flag of the name and the enabled of each"
            yield Refused(
                key=key, why=why, step=("write each of ", f"{key} like {{name: PartialRestart, enabled: true}}")
            )
    for it in mappings(given):
        value = it.get("enabled")
        if isinstance(value, str) and value not in _BOOLEANS:
            why = f"has {value} for {it.get('name')}, which is neither true nor false: {_ENDS}"
            yield Refused(key=key, why=why, step=("write true or false for each of ", key), value=value)
    for name in _names(given):
        if name not in known:
            why = (
                f"has {name}, which is none of {', '.join(known)}: the controller ends at a gate that it does not know"
            )
            yield Refused(key=key, why=why, step=(f"take {name} out of ", key))


def _chosen(values: Values, defaults: Values) -> Iterator[Refused]:
    """Values of which Kubernetes, or a program, knows a few."""
    for key, known in _CHOICES.items():
        value = at(values, key)
        there = at(defaults, key) is not None
        if there and value and isinstance(value, str) and value not in known and not value.isdigit():
            few = ", ".join(known)
            why = f"is {value}, and may be {few}"
            yield Refused(key=key, why=why, step=("set ", f"{key} to one of {few}"), value=value)
    yield from _of_logs(values, defaults)
    yield from _certificate(values)
    seconds = at(values, "webhook.timeoutSeconds")
    if _WHOLE.fullmatch(str(seconds)) and not 1 <= int(str(seconds)) <= _LONGEST_WEBHOOK:
        why = f"is {seconds}, and Kubernetes takes 1 to {_LONGEST_WEBHOOK}"
        step = f"webhook.timeoutSeconds to {_LONGEST_WEBHOOK} or less"
        yield Refused(key="webhook.timeoutSeconds", why=why, step=("set ", step))
    name = at(values, "fullnameOverride")
    if name and not _LABEL.fullmatch(str(name)):
        why = f"is {name}, which is no name for a Service: lower-case letters, digits and -, beginning with a letter"
        yield Refused(key="fullnameOverride", why=why, step=("correct ", "fullnameOverride"), value=name)


def _of_logs(values: Values, defaults: Values) -> Iterator[Refused]:
    for part in ("controller", "webhook"):
        for name, known in _OF_LOGS.items():
            key = f"{part}.{name}"
            value = at(values, key)
            # Nothing is what a template takes these for, and it writes no argument.
            if at(defaults, key) is None or value in (None, "", 0) or isinstance(value, Mapping | list):
                continue
            if str(value).lower() not in known and not (name == "logLevel" and _LEVEL.fullmatch(str(value))):
                few = ", ".join(known)
                yield Refused(
                    key=key,
                    why=f"is {value}, and may be {few}: the {part} ends at its start",
                    step=("set ", f"{key} to one of {few}"),
                    value=value,
                )


def _certificate(values: Values) -> Iterator[Refused]:
    """What cert-manager does not take of a Certificate (internal/apis/certmanager/validation of cert-manager)."""
    for key in ("certManager.duration", "certManager.renewBefore"):
        value = str(at(values, key) or "")
        if value and not value_kinds.is_duration(value):
            why = f"is {value}, and cert-manager takes hours, minutes and seconds, such as 2160h"
            yield Refused(key=key, why=why, step=("write ", f"{key} in hours"), value=value)
    lasts, renewed = (value_kinds.seconds(at(values, f"certManager.{it}") or of) for it, of in _OF_CERTIFICATES.items())
    if lasts is not None and renewed is not None and renewed >= lasts:
        why = "is no less than the duration, before the end of which cert-manager is to renew"
        step = "certManager.renewBefore to less than certManager.duration"
        yield Refused(key="certManager.renewBefore", why=why, step=("set ", step))
    issuer = at(values, "certManager.issuerRef")
    if isinstance(issuer, Mapping) and issuer and not issuer.get("name"):
        why = "has no name, so that no issuer is meant by it"
        yield Refused(key="certManager.issuerRef", why=why, step=("write ", "certManager.issuerRef with a name"))


def _namespaces(values: Values) -> Iterator[Refused]:
    given = at(values, "spark.jobNamespaces")
    for name in given if isinstance(given, list) else ():
        if name and not _NAMESPACE.fullmatch(str(name)):
            why = f"has {_shown(name)}, which is no name of a namespace; all namespaces are the empty text"
            step = 'spark.jobNamespaces to the names of namespaces, or to [""] for all'
            yield Refused(key="spark.jobNamespaces", why=why, step=("set ", step), value=name)


def schedulers(used: Values) -> list[Any]:
    """The batch schedulers that the controller knows with these values: its own, and those that they name."""
    others = at(used, _KUBE_SCHEDULERS)
    return [*_SCHEDULERS, *(others if isinstance(others, list) else ())]


def _scheduler(used: Values) -> Iterator[Refused]:
    """A default batch scheduler that the controller does not have."""
    key, named = "controller.batchScheduler.default", _KUBE_SCHEDULERS
    name, known = at(used, key), schedulers(used)
    if at(used, "controller.batchScheduler.enable") and name and name not in known:
        why = (
            f"is {name}, which is neither {' nor '.join(_SCHEDULERS)} nor in {named}: the controller ends at its start"
        )
        yield Refused(key=key, why=why, step=("set ", f"{key} to one of {', '.join(known)}, or to nothing"), value=name)


def _leading(used: Values) -> Iterator[Refused]:
    """Times of the leader election that client-go does not take together (tools/leaderelection, NewLeaderElector)."""
    above = "controller.leaderElection"
    lease, renew, retry = (
        value_kinds.seconds(at(used, f"{above}.{it}")) for it in ("leaseDuration", "renewDeadline", "retryPeriod")
    )
    if not at(used, f"{above}.enable") or lease is None or renew is None or retry is None:
        return
    shown = {it: at(used, f"{above}.{it}") for it in ("leaseDuration", "renewDeadline", "retryPeriod")}
    if lease <= renew:
        why = f"is {shown['leaseDuration']}, and must be more than renewDeadline ({shown['renewDeadline']})"
        step = f"{above}.leaseDuration to more than renewDeadline"
        yield Refused(key=f"{above}.leaseDuration", why=f"{why}: {_ENDS}", step=("set ", step))
    if renew <= retry * _JITTER:
        why = f"is {shown['renewDeadline']}, and must be more than {_JITTER} times retryPeriod ({shown['retryPeriod']})"
        step = f"{above}.renewDeadline to more than {_JITTER} times retryPeriod"
        yield Refused(key=f"{above}.renewDeadline", why=f"{why}: {_ENDS}", step=("set ", step))


def _buckets(values: Values) -> Iterator[Refused]:
    """Bounds of histograms, which the controller reads as numbers (pflag) and registers in their order (Prometheus)."""
    for name in ("jobSubmitLatencyBuckets", "jobStartLatencyBuckets"):
        key = f"prometheus.metrics.{name}"
        given = at(values, key)
        if given is None or isinstance(given, list | Mapping):
            continue
        try:
            bounds = [float(it) for it in str(given).split(",")] if " " not in str(given) else None
        except ValueError:
            bounds = None
        if bounds is None or bounds != sorted(set(bounds)):
            why = f"is {given}, and must be numbers in rising order, with commas and no blanks between them: {_ENDS}"
            yield Refused(key=key, why=why, step=("write ", f"{key} like 0.5,1,2"), value=given)


def _metric_names(values: Values, defaults: Values) -> Iterator[Refused]:
    """What becomes part of a metric's name, or a label of it, in which the controller replaces `-` alone
    (pkg/util/metrics.go): others are served under another name, or not at all (prometheus/common, model/metric.go).
    """
    above = "prometheus.metrics"
    for key, several in ((f"{above}.prefix", False), (f"{above}.labels", True)):
        given = at(values, key)
        if not isinstance(given, str) or not given or at(defaults, key) is None:
            continue
        for name in given.split(",") if several else [given]:
            if not _OF_PROMETHEUS.fullmatch(name.replace("-", "_")):
                why = f"has {name!r}, which Prometheus has as no name: metrics of applications are not served under it"
                yield Refused(key=key, why=why, step=("write ", f"{key} with letters, digits and _"), value=given)


def _selector(values: Values, defaults: Values) -> Iterator[Refused]:
    key = "spark.jobNamespaceSelector"
    given = at(values, key)
    if not isinstance(given, str) or not given or at(defaults, key) is None:
        return
    if not all(map(_REQUIREMENT.fullmatch, requirements(given))):
        why = f"is {given}, which is no selector of labels: {_ENDS}"
        yield Refused(key=key, why=why, step=("write ", f"{key} like spark=enabled,env in (prod,test)"), value=given)


def _ingress(used: Values) -> Iterator[Refused]:
    """What the controller reads as the tls of an Ingress (networking/v1 IngressTLS), from JSON."""
    key = "controller.uiIngress.tls"
    given = at(used, key)
    if not at(used, "controller.uiIngress.enable"):
        return
    for it in given if isinstance(given, list) else ():
        hosts = at(it, "hosts")
        if not isinstance(it, Mapping) or not (hosts is None or isinstance(hosts, list)):
            why = f"has {_shown(it)}, and the controller reads a list of hosts with a secretName: {_ENDS}"
            yield Refused(key=key, why=why, step=("write each of ", f"{key} like {{hosts: [a.example.com]}}"))


def _listening(values: Values, used: Values, part: str, defaults: Values) -> Iterator[Refused]:
    """A port that a part is to listen on twice."""
    taken: dict[str, str] = {str(_PROBES): f"the port of the {part}'s probes"}
    ports = [(key, str(at(used, key))) for key, on in _PORTS[part].items() if at(used, on)]
    # What the values leave to the chart is there first.
    for key, port in sorted(ports, key=lambda it: at(values, it[0]) is not None):
        if port in taken:
            why = (
                f"is {port}, and so is {taken[port]}: the {part} ends at its start, since it cannot listen there twice"
            )
            step = f"{key} to another port, such as the chart's {at(defaults, key)}"
            yield Refused(key=key, why=why, step=("set ", step))
        taken.setdefault(port, key)


def _mounted(used: Values, part: str) -> Iterator[Refused]:
    """Mounts of volumes that a list of the user's has taken the place of."""
    there = _names(at(used, f"{part}.volumes"))
    for name in dict.fromkeys(_names(at(used, f"{part}.volumeMounts"))):
        if name not in there:
            why = f"mounts {name}, which {part}.volumes does not have: a list in the values replaces that of the chart"
            yield Refused(key=f"{part}.volumeMounts", why=why, step=(f"add the volume {name} to ", f"{part}.volumes"))


def _written(used: Values, part: str, name: str) -> Iterator[Refused]:
    """Folders that have to be written to, and that lie on a read-only root file system."""
    folder = _WRITTEN_TO[part]
    if part == "controller" and numbers(name) < _TEMPLATES_IN_TMP:
        return
    paths = [str(it.get("mountPath")).rstrip("/") for it in mappings(at(used, f"{part}.volumeMounts"))]
    if at(used, f"{part}.securityContext.readOnlyRootFilesystem") is True and not _covers(paths, folder):
        what = "writes the pod templates of each application" if part == "controller" else "writes its certificate"
        why = f"mounts nothing at {folder}, where the {part} {what}, and its root file system is read-only"
        step = (f"add a mount at {folder}, of a volume like the chart's own, to ", f"{part}.volumeMounts")
        yield Refused(key=f"{part}.volumeMounts", why=why, step=step)


def _covers(paths: list[str], folder: str) -> bool:
    return any(folder == it or folder.startswith(f"{it}/") for it in paths)


def _root(used: Values, part: str) -> Iterator[Refused]:
    container, pod = f"{part}.securityContext", f"{part}.podSecurityContext"
    user, key = at(used, f"{container}.runAsUser"), f"{container}.runAsUser"
    if user is None:
        user, key = at(used, f"{pod}.runAsUser"), f"{pod}.runAsUser"
    strict = at(used, f"{container}.runAsNonRoot")
    if user == 0 and (at(used, f"{pod}.runAsNonRoot") if strict is None else strict) is True:
        why = "is 0, and runAsNonRoot is true: Kubernetes does not start the container"
        yield Refused(key=key, why=why, step=("remove ", f"{key} from the values, or set runAsNonRoot to false"))


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _names(value: object) -> list[str]:
    return [str(it.get("name")) for it in mappings(value)]
