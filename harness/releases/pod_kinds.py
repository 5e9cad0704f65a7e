# SPDX-License-Identifier: Apache-2.0
"""Kinds of the fields of a pod: the chart passes parts of a pod on as they are, and the API server converts nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

Kind = Literal["a number", "true or false", "text"]

_NUMBERS = (
    *("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "tolerationSeconds", "maxSkew", "minDomains"),
    *("weight", "defaultMode", "mode", "expirationSeconds", "containerPort", "hostPort", "initialDelaySeconds"),
    *("periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold", "terminationGracePeriodSeconds"),
)
_SWITCHES = (
    *("runAsNonRoot", "privileged", "allowPrivilegeEscalation", "readOnlyRootFilesystem", "readOnly", "optional"),
    *("stdin", "tty", "hostProcess"),
)
_TEXTS = (
    *("key", "operator", "value", "effect", "values", "topologyKey", "whenUnsatisfiable", "name", "mountPath"),
    *("subPath", "fieldPath", "secretName", "claimName", "path", "image", "command", "args", "drop", "add"),
    *("runAsUserName", "serverName", "prefix"),
)
_KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_NUMBERS, "a number"),
    **dict.fromkeys(_SWITCHES, "true or false"),
    **dict.fromkeys(_TEXTS, "text"),
}
"""Fields that have one kind wherever they are in a pod (core/v1 PodSpec of Kubernetes 1.37, with all that is in it)."""

_TEXT_BELOW = ("matchLabels", "labels", "annotations", "volumeAttributes")


def mistaken(part: Any, above: str) -> Iterator[tuple[str, Any, Kind]]:
    """Each value in a part of a pod that is of another kind than its field: its key, the value, and the right kind.

    Keys are written with dots; items of lists are between brackets and count from 0.
    """
    yield from _in(part, above, "", text_only=False)


def _in(value: Any, place: str, field: str, *, text_only: bool) -> Iterator[tuple[str, Any, Kind]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _in(below, f"{place}.{key}", str(key), text_only=text_only or field in _TEXT_BELOW)
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _in(item, f"{place}[{number}]", field, text_only=text_only)
        return
    kind = "text" if text_only else _KINDS.get(field)
    if kind and value is not None and not _is(value, kind):
        yield place, value, kind


def _is(value: object, kind: Kind) -> bool:
    if kind == "text":
        return isinstance(value, str)
    return isinstance(value, bool) if kind == "true or false" else _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
