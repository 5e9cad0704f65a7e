# SPDX-License-Identifier: Apache-2.0
"""Finds what Harbor's replications bring: filters by name and tag, and the registry that they are asked of.

The fields are those of Harbor's API (`ReplicationPolicy`: `src_registry`, `filters` with `type` and `value`) and of the
Terraform provider (`harbor_replication`, `harbor_registry`). One that pushes what Harbor has asks no registry.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from harness import libyaml
from harness.audit.homes import Homes
from harness.audit.owners import Lines
from harness.audit.references import HUB_HOSTS
from harness.audit.stale import Stale, stale_at
from harness.images.references import DOCKER_HUB, ImageReference
from harness.untrusted import check_yaml

_SOURCE = "src_registry"
_RESOURCE = re.compile(
    r"^resource\s+\"(?P<kind>harbor_\w+)\"\s+\"(?P<name>[\w-]+)\"\s*\{(?P<block>.*?)^\}", re.M | re.S
)
_FILTER = re.compile(r"\bfilters\s*\{\s*(?P<type>name|tag)\s*=\s*\"(?P<value>[^\"]*)\"\s*\}")
_PULLED = re.compile(r"\baction\s*=\s*\"pull\"")
_REGISTRY_ID = re.compile(r"\bregistry_id\s*=\s*harbor_registry\.(?P<name>[\w-]+)\.")
_HUB = re.compile(rf"docker[-_]hub|{'|'.join(map(re.escape, sorted(HUB_HOSTS)))}", re.I)
_HOST = re.compile(r"https?://(?P<host>[\w.-]+(?::\d+)?)")
_LITERAL = re.compile(r"[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class _Brought:
    """A name with its tag, where that is one, and the registry, which is empty where the text does not say it."""

    registry: str
    name: str
    tag: str
    start: int
    end: int


class Replications:
    """The replications of a text. `unknown` counts names whose registry the text does not say."""

    def __init__(self, homes: Homes, lines: Lines, file: str) -> None:
        self._homes = homes
        self._lines = lines
        self._file = file
        self.unknown = 0

    def found(self) -> Iterator[Stale]:
        """What is wrong with the names that are brought, with the tags beside them."""
        text = self._lines.text
        if "filters" not in text:
            return
        for it in (*_of_objects(text), *_of_terraform(text)):
            if it.name not in self._homes.repositories:
                continue
            if not it.registry:
                self.unknown += 1
                continue
            image = ImageReference(registry=it.registry, repository=it.name, tag=it.tag or "latest")
            finding = self._homes.judge(image, tagged=bool(it.tag))
            if finding:
                yield stale_at(self._lines, self._file, it.start, it.end, finding)


def _of_objects(text: str) -> Iterator[_Brought]:
    """Policies in YAML or JSON; none in a text that is neither."""
    if _SOURCE not in text:
        return
    try:
        documents = list(yaml.compose_all(check_yaml(text), Loader=libyaml.BaseLoader))
    except yaml.YAMLError:
        return
    for it in documents:
        yield from _in_node(it, text)


def _in_node(node: Any, text: str) -> Iterator[_Brought]:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _in_node(item, text)
    if not isinstance(node, yaml.MappingNode):
        return
    fields = _fields(node)
    for below in fields.values():
        yield from _in_node(below, text)
    filters, source = fields.get("filters"), fields.get(_SOURCE)
    if not isinstance(filters, yaml.SequenceNode) or source is None:
        return
    each = [_fields(it) for it in filters.value if isinstance(it, yaml.MappingNode)]
    given = [(str(it["type"].value), it["value"]) for it in each if {"type", "value"} <= it.keys()]
    tag = _tag(str(it.value) for kind, it in given if kind == "tag")
    registry = _named(text[source.start_mark.index : source.end_mark.index])
    for kind, it in given:
        name = str(it.value)
        start = text.find(name, it.start_mark.index)
        if kind == "name" and start >= 0:
            yield _Brought(registry=registry, name=name, tag=tag, start=start, end=start + len(name))


def _fields(node: yaml.MappingNode) -> Mapping[str, yaml.Node]:
    return {str(key.value): value for key, value in node.value}


def _of_terraform(text: str) -> Iterator[_Brought]:
    resources = list(_RESOURCE.finditer(text)) if "harbor_replication" in text else []
    registries = {it["name"]: _named(it["block"]) for it in resources if it["kind"] == "harbor_registry"}
    for it in resources:
        reference = _REGISTRY_ID.search(it["block"])
        if it["kind"] != "harbor_replication" or not _PULLED.search(it["block"]):
            continue
        filters = list(_FILTER.finditer(text, it.start("block"), it.end("block")))
        tag = _tag(one["value"] for one in filters if one["type"] == "tag")
        registry = registries.get(reference["name"], "") if reference else ""
        for one in filters:
            if one["type"] == "name":
                start, end = one.span("value")
                yield _Brought(registry=registry, name=one["value"], tag=tag, start=start, end=end)


def _tag(values: Iterator[str]) -> str:
    """The tag of a filter; empty for none, and for a pattern."""
    return next(filter(_LITERAL.fullmatch, values), "")


def _named(block: str) -> str:
    if _HUB.search(block):
        return DOCKER_HUB
    host = _HOST.search(block)
    return host["host"] if host else ""
