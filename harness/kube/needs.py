# SPDX-License-Identifier: Apache-2.0
"""Which objects beside it an object needs: the ConfigMaps, Secrets and volume claims that its spec names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CLAIM = "PersistentVolumeClaim"
_ON_DEMAND = "OnDemand"
"""The claim that Spark makes itself, for each executor (running-on-kubernetes, volumes)."""

_SECRET_CONF = re.compile(r"spark\.kubernetes\.(driver|executor)\.secrets\.(?P<name>.+)")
SECRET_KEY_CONF = re.compile(r"spark\.kubernetes\.(driver|executor)\.secretKeyRef\..+")
"""Of sparkConf, a variable of the pods from a Secret: the value is `name:key`."""
_CLAIM_CONF = re.compile(
    r"spark\.kubernetes\.(driver|executor)\.volumes\.persistentVolumeClaim\..+\.options\.claimName"
)
_REFERENCES = {"configMap": "ConfigMap", "configMapRef": "ConfigMap", "configMapKeyRef": "ConfigMap"}
_REFERENCES |= dict.fromkeys(("secret", "secretRef", "secretKeyRef"), "Secret")
_NAMES = {"sparkConfigMap": "ConfigMap", "hadoopConfigMap": "ConfigMap"}
_LISTS = {"configMaps": "ConfigMap", "secrets": "Secret"}


@dataclass(frozen=True, kw_only=True)
class Need:
    """An object by kind and name."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"the {self.kind} {self.name}"


def needs(spec: object) -> frozenset[Need]:
    """What a spec of pods or of an application cannot do without: what is marked `optional` is not in it."""
    return frozenset(need for field, value in fields(spec) for need in _named(field, value))


def fields(value: object) -> Iterator[tuple[str, Any]]:
    """Every field of every mapping in a document, at any depth, with its value; an outer one before those in it."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            yield str(field), inner
            yield from fields(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from fields(inner)


def _named(key: str, value: Any) -> Iterator[Need]:
    """What one key of a mapping names."""
    if isinstance(value, Mapping):
        yield from _by_mapping(key, value)
    elif isinstance(value, str) and value:
        yield from _by_text(key, value)
    elif key in _LISTS and isinstance(value, list):
        yield from (
            Need(kind=_LISTS[key], name=str(it["name"])) for it in value if isinstance(it, Mapping) and it.get("name")
        )


def _by_mapping(key: str, value: Mapping[str, Any]) -> Iterator[Need]:
    if key in _REFERENCES and not value.get("optional"):
        name = value.get("secretName") or value.get("name")
        if isinstance(name, str) and name:
            yield Need(kind=_REFERENCES[key], name=name)
    elif key == "persistentVolumeClaim" and value.get("claimName") not in (None, "", _ON_DEMAND):
        yield Need(kind=CLAIM, name=str(value["claimName"]))
    elif key == "envSecretKeyRefs":
        yield from (
            Need(kind="Secret", name=str(it["name"]))
            for it in value.values()
            if isinstance(it, Mapping) and it.get("name")
        )


def _by_text(key: str, value: str) -> Iterator[Need]:
    if key in _NAMES:
        yield Need(kind=_NAMES[key], name=value)
    elif mounted := _SECRET_CONF.fullmatch(key):
        yield Need(kind="Secret", name=mounted["name"])
    elif SECRET_KEY_CONF.fullmatch(key):
        yield Need(kind="Secret", name=value.partition(":")[0])
    elif _CLAIM_CONF.fullmatch(key) and value != _ON_DEMAND:
        yield Need(kind=CLAIM, name=value)
