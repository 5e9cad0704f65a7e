# SPDX-License-Identifier: Apache-2.0
"""Empty stand-ins for the ConfigMaps and Secrets that a snapshot names and does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from harness.apps.users import CONFIG_MAP, SECRET
from harness.kube.needs import SECRET_KEY_CONF, Need, fields, needs

_KEYED = {"configMapKeyRef": CONFIG_MAP, "secretKeyRef": SECRET}
_VOLUMES = {"configMap": CONFIG_MAP, "secret": SECRET}


def stand_ins(specs: Iterable[Any], namespace: str) -> list[dict[str, Any]]:
    """What these specs of one namespace need, each with the keys that they ask for."""
    found: dict[Need, set[str]] = {}
    for spec in specs:
        for need in needs(spec):
            if need.kind in (CONFIG_MAP, SECRET):
                found.setdefault(need, set())
        for need, key in _keys(spec):
            found.setdefault(need, set()).add(key)
    return [_made(need, keys, namespace) for need, keys in sorted(found.items(), key=lambda it: str(it[0]))]


def pull_secret(name: str, namespace: str) -> dict[str, Any]:
    """A pull secret that is for no registry."""
    data = {".dockerconfigjson": '{"auths": {}}'}
    return {
        "apiVersion": "v1",
        "kind": SECRET,
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": data,
    }


def _made(need: Need, keys: Iterable[str], namespace: str) -> dict[str, Any]:
    place = "stringData" if need.kind == SECRET else "data"
    return {
        "apiVersion": "v1",
        "kind": need.kind,
        "metadata": {"name": need.name, "namespace": namespace},
        place: dict.fromkeys(sorted(keys), ""),
    }


def _keys(value: Any) -> Iterator[tuple[Need, str]]:
    """The keys that are asked for by name."""
    for field, inner in fields(value):
        yield from _of_field(field, inner)


def _of_field(field: str, value: Any) -> Iterator[tuple[Need, str]]:
    if isinstance(value, str) and SECRET_KEY_CONF.fullmatch(field):
        name, _, key = value.partition(":")
        yield Need(kind=SECRET, name=name), key
    if not isinstance(value, Mapping):
        return
    if field in _KEYED and value.get("name") and value.get("key"):
        yield Need(kind=_KEYED[field], name=str(value["name"])), str(value["key"])
    if field == "envSecretKeyRefs":
        for it in value.values():
            if isinstance(it, Mapping) and it.get("name") and it.get("key"):
                yield Need(kind=SECRET, name=str(it["name"])), str(it["key"])
    if field in _VOLUMES:
        volume = str(value.get("secretName") or value.get("name") or "")
        for item in value.get("items") or ():
            if volume and isinstance(item, Mapping) and item.get("key"):
                yield Need(kind=_VOLUMES[field], name=volume), str(item["key"])
