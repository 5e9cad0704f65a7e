# SPDX-License-Identifier: Apache-2.0
"""The types of the fields of a user's applications that the harness looks into, checked as they are read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from harness.apps.objects import SCHEDULED
from harness.errors import UsageError

_MAPS = (
    "driver",
    "executor",
    "server",
    "sparkConf",
    "hadoopConf",
    "restartPolicy",
    "dynamicAllocation",
    "nodeSelector",
)
_TEXTS = ("sparkConf", "hadoopConf", "nodeSelector")
_TEXTS_OF_ROLES = ("nodeSelector", "labels", "annotations", "envVars")
_QUOTE = "write it in quotes"
_MAPS_OF_ROLES = ("nodeSelector", "template", "labels", "annotations")


def require(kind: str, spec: Mapping[str, Any], where: str) -> None:
    """Raise UsageError for a spec whose fields, as far as the harness looks into them, no API server would take.

    `where` is what comes before their names in messages. Of the others the API server says itself what is wrong.
    """
    if kind == SCHEDULED.kind:
        require_maps(spec, ("template",), where)
        spec, where = spec.get("template") or {}, f"{where}.template"
    require_maps(spec, _MAPS, where)
    for name in _TEXTS:
        _require_texts(spec.get(name) or {}, f"{where}.{name}")
    for number, it in enumerate(_listed(spec.get("arguments"))):
        _require_text(it, f"{where}.arguments[{number}]")
    for role in ("driver", "executor", "server"):
        part = spec.get(role) or {}
        require_maps(part, _MAPS_OF_ROLES, f"{where}.{role}")
        for name in _TEXTS_OF_ROLES:
            if isinstance(part.get(name), Mapping):
                _require_texts(part[name], f"{where}.{role}.{name}")
        template = part.get("template") or {}
        require_maps(template, ("metadata", "spec"), f"{where}.{role}.template")
        _require_pod(template.get("spec") or {}, f"{where}.{role}.template.spec")


def require_metadata(metadata: Mapping[str, Any], where: str) -> None:
    """The same for labels and annotations."""
    require_maps(metadata, ("labels", "annotations"), where)
    for name in ("labels", "annotations"):
        _require_texts(metadata.get(name) or {}, f"{where}.{name}")


def require_helper(document: Mapping[str, Any], where: str) -> None:
    """The same for a ConfigMap or a Secret, whose fields hold texts by their names."""
    require_maps(document, ("data", "stringData", "binaryData"), where)
    for name in ("data", "stringData"):
        for key, value in (document.get(name) or {}).items():
            if value is not None and not isinstance(value, str):
                # What it is may be secret.
                raise UsageError(f"{where}.{name}.{key} is not text", _QUOTE)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _require_texts(values: Mapping[str, Any], where: str) -> None:
    for key, value in values.items():
        _require_text(value, f"{where}.{key}")


def _require_text(value: object, where: str) -> None:
    if value is not None and not isinstance(value, str):
        raise UsageError(f"{where} is {json.dumps(value, default=str)}, which is not text", _QUOTE)


def _require_pod(pod: Mapping[str, Any], where: str) -> None:
    require_maps(pod, ("nodeSelector",), where)
    containers = pod.get("containers") or []
    if not isinstance(containers, list) or not all(isinstance(it, Mapping) for it in containers):
        raise UsageError(f"{where}.containers is not a list of mappings", "write it as `kubectl explain` shows it")
    for number, it in enumerate(containers):
        require_maps(it, ("resources",), f"{where}.containers[{number}]")
        require_maps(it.get("resources") or {}, ("requests", "limits"), f"{where}.containers[{number}].resources")


def require_maps(document: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    """Raise UsageError where one of these fields is something else than a mapping, or nothing."""
    for name in names:
        if not isinstance(document.get(name) or {}, Mapping):
            raise UsageError(f"{where}.{name} is not a mapping", "write it as `kubectl explain` shows it")
