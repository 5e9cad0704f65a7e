# SPDX-License-Identifier: Apache-2.0
"""Values of a kind that the chart's templates, or Kubernetes behind them, take otherwise than they are meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from harness.releases import pod_kinds
from harness.releases.chart_image import printed
from harness.releases.values import PASSED_ON, at

Values = Mapping[str, Any]

_PLAIN = {"text", "a number", "true or false"}
"""What Helm's templates write alike."""

_MEANT_FALSE = ("false", "no", "off", "n", "0")
_PARTS = ("controller", "webhook", "hook")
_OF_PODS = (
    *("podSecurityContext", "securityContext", "tolerations", "topologySpreadConstraints", "affinity", "sidecars"),
    *("volumes", "volumeMounts", "envFrom"),
)
"""Values that the templates give to a pod as they are; `env` and `nodeSelector` have rules of their own."""
_LISTS_OF_MAPS = ("env", "envFrom", "sidecars", "tolerations", "topologySpreadConstraints", "volumes", "volumeMounts")
_PART_OF_PODS, _PERCENT = ".podDisruptionBudget.minAvailable", re.compile(r"\d+%")
"""A number that may be a part of all (policy/v1 PodDisruptionBudgetSpec)."""
_TAG = "image.tag"
_DURATION = re.compile(r"\d+(?:ms|s|m|h)")

_GO_DURATIONS = re.compile(
    r"controller\.(?:leaderElection\..+|driverPodCreationGracePeriod|workqueueRateLimiter\.maxDelay\.duration)"
)
"""Keys that become arguments which Go's time.ParseDuration reads (cmd/operator/controller/start.go)."""
_GO_DURATION = re.compile(r"0|(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PARTS_OF_DURATION = re.compile(r"(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)")
_WRITTEN_ANYWAY = (
    *(f"controller.leaderElection.{it}" for it in ("leaseDuration", "renewDeadline", "retryPeriod")),
    *(f"controller.workqueueRateLimiter.{it}" for it in ("bucketQPS", "bucketSize", "maxDelay.duration")),
    *("controller.workers", "controller.uiService.enable"),
    *("prometheus.metrics.jobSubmitLatencyBuckets", "prometheus.metrics.jobStartLatencyBuckets"),
)
"""Keys that the templates make arguments of, whether they have a value or not, and that cannot be empty."""
_FRACTIONS = ("controller.kubeAPIQPS", "webhook.kubeAPIQPS")
"""Numbers that need not be whole: the only ones that are no Int flag (cmd/operator)."""

_TAKEN: Mapping[pod_kinds.Kind, str] = {
    "a number": "a whole number",
    "true or false": "true or false",
    "text": "text",
}
_WRITTEN: Mapping[pod_kinds.Kind, str] = {
    "a number": "as a whole number, without quotes",
    "true or false": "as true or false, without quotes",
    "text": "in quotes",
}

_TEXT_ONLY = re.compile(
    r"(?:(?:controller|webhook|hook|spark|prometheus)\..*)?(?:nodeSelector|labels|annotations|commonLabels)\..+"
)
"""Keys of pods and metadata that take text alone (core/v1 PodSpec, meta/v1 ObjectMeta)."""


@dataclass(frozen=True, kw_only=True)
class Wrong:
    """What is wrong with the value of a key, and what to write; `stops` says that Helm or the API server refuses it.

    `value` is what stands there, where the key goes through a list. What `renders` nobody notices until it is read.
    """

    key: str
    words: str
    step: str
    stops: bool = True
    value: Any = None
    renders: bool = False


def wrong(values: Values, defaults: Values, chart: str) -> Iterator[Wrong]:
    """Values of a wrong kind; `defaults` are those of the chart, which is called `chart`."""
    for key, value, own in _compared(values, defaults):
        if value is None:
            yield from _null(key, own, chart)
        elif {*key.split(".")[:-1]} & {*PASSED_ON} and {_kind(value), _kind(own)} <= _PLAIN:
            # Kubernetes takes these as they are, whatever the chart has there.
            continue
        elif key.endswith(_TAG) and _kind(value) == "a number" and printed(value) != str(value):
            words = f"is a number, which Helm writes as {printed(value)}"
            yield Wrong(key=key, words=words, step=f"write {key} in quotes", stops="+" in printed(value))
        elif isinstance(own, bool) and isinstance(value, str) and value.lower() in _MEANT_FALSE:
            words = f'is the text "{value}", and a template that asks for it takes any text for true'
            yield Wrong(key=key, words=words, step=f"write {key}: false, without quotes", stops=False)
        elif isinstance(own, str) and _DURATION.fullmatch(own) and re.fullmatch(r"[1-9]\d*", str(value)):
            words = f"is {value} without a unit, and {chart} passes it on as a duration, like {own}"
            yield Wrong(key=key, words=words, step=f"write {key} with its unit, like {value}s", renders=True)
        elif key.endswith(_PART_OF_PODS) and _PERCENT.fullmatch(str(value)):
            continue
        elif _is_whole(own) and _is_word(value):
            words = f'is the text "{value}", and in {chart} a number'
            yield Wrong(key=key, words=words, step=f"write {key} as a number", renders=True)
        elif _is_nothing(value) and own in ({}, []):
            # A template asks for it by `with`, which takes any of these for nothing.
            continue
        elif isinstance(own, str) and _GO_DURATIONS.fullmatch(key) and not is_duration(value):
            words = f"is {value}, and {chart} passes it on as a duration of Go, like {own}"
            yield Wrong(key=key, words=words, step=f"write {key} in hours, minutes and seconds", renders=True)
        elif _is_whole(own) and isinstance(value, float) and value != int(value) and key not in _FRACTIONS:
            words = f"is {value}, and in {chart} a whole number"
            yield Wrong(key=key, words=words, step=f"write {key} as a whole number", renders=True)
        elif own is not None and _kind(value) != _kind(own) and not {_kind(value), _kind(own)} <= _PLAIN:
            words = f"is {_kind(value)}, and in {chart} {_kind(own)}"
            step = f"write {key} as {_kind(own)}, or remove it from the values"
            # A template joins the items of a list, or takes a text as it is.
            joined = isinstance(own, list) and isinstance(value, str)
            yield Wrong(key=key, words=words, step=step, renders=not joined)
    yield from refused(values)


def is_duration(value: object) -> bool:
    """Whether Go's time.ParseDuration takes it."""
    return bool(_GO_DURATION.fullmatch(str(value)))


def seconds(duration: object) -> float | None:
    """A duration of Go in seconds; None for what is none."""
    if not is_duration(duration):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PARTS_OF_DURATION.findall(str(duration)))


def _compared(values: Values, defaults: Values, above: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Each value with its key and what the chart has there: also a map where the chart has none."""
    for key, value in values.items():
        own = defaults.get(key)
        if isinstance(value, Mapping) and value and (own is None or isinstance(own, Mapping)):
            yield from _compared(value, own or {}, f"{above}{key}.")
        else:
            yield f"{above}{key}", value, own


def _is_nothing(value: object) -> bool:
    return value in ("", {}, [])


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and not re.fullmatch(r"-?\d+", value.strip())


def _null(key: str, own: object, chart: str) -> Iterator[Wrong]:
    """What a null does, which takes the chart's own value away."""
    step = f"remove {key} from the values"
    if key in _WRITTEN_ANYWAY and own is not None:
        words = (
            f"is null, so that the templates of {chart} write an argument without a value, at which the controller ends"
        )
        yield Wrong(key=key, words=words, step=step, renders=True)
        return
    if {*key.split(".")[:-1]} & {*PASSED_ON}:
        return
    if isinstance(own, Mapping) and own and key.rpartition(".")[2] not in PASSED_ON:
        words = f"is null, so that Helm drops the keys below it, which the templates of {chart} read"
        yield Wrong(key=key, words=words, step=step)
    elif own is True:
        words = f"is null, so that Helm drops the true of {chart}, and its templates take nothing for false"
        yield Wrong(key=key, words=words, step=f"{step}, or write false", stops=False)
    elif isinstance(own, int) and own is not False:
        words = f"is null, so that Helm drops the {own} of {chart}, and its templates write nothing in its place"
        yield Wrong(key=key, words=words, step=step, stops=False)


def refused(values: Values) -> Iterator[Wrong]:
    """Values that templates give to Kubernetes as they are, and that the API server refuses."""
    for key, value in leaves(values):
        if _TEXT_ONLY.fullmatch(key) and value is not None and not isinstance(value, str):
            words = f"is {_kind(value)}, and Kubernetes takes text alone there"
            yield Wrong(key=key, words=words, step=f"write {key} in quotes")
    for key in ("image.pullSecrets", *(f"{part}.{it}" for part in _PARTS for it in _LISTS_OF_MAPS)):
        for item in _items(values, key):
            if not isinstance(item, Mapping):
                named = "maps with a name" if key == "image.pullSecrets" else "maps"
                step = f"write - name: {item} below {key}" if key == "image.pullSecrets" else f"write {key} as maps"
                yield Wrong(key=key, words=f"has {_kind(item)} ({item}), and Kubernetes takes {named} there", step=step)
                break
    for key in ("controller.env", "webhook.env"):
        for item in _items(values, key):
            value = item.get("value") if isinstance(item, Mapping) else None
            if value is not None and not isinstance(value, str):
                words = f"has {_kind(value)} as the value of {item['name']}, and Kubernetes takes text alone there"
                yield Wrong(key=key, words=words, step=f"write the value of {item['name']} in quotes")

    for part in (f"{part}.{it}" for part in _PARTS for it in _OF_PODS):
        for key, value, kind in pod_kinds.mistaken(at(values, part), part):
            words = f"is {_kind(value)} ({json.dumps(value)}), and Kubernetes takes {_TAKEN[kind]} alone there"
            yield Wrong(key=key, words=words, step=f"write {key} {_WRITTEN[kind]}", value=value)


def leaves(values: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is no map, or an empty one, with its key, in which dots stand between the steps."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _items(values: Values, key: str) -> list[Any]:
    found = at(values, key)
    return found if isinstance(found, list) else []


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, list | tuple):
        return "a list"
    return "a number" if isinstance(value, int | float) else "text"
