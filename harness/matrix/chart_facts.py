# SPDX-License-Identifier: Apache-2.0
"""charts/values.toml and charts/crds.toml: what the chart of a release takes, for a machine without that chart."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from harness.matrix.rows import Model
from harness.matrix.versions import VERSION, numbers
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

VALUES = PROJECT_ROOT / "charts" / "values.toml"
CRDS = PROJECT_ROOT / "charts" / "crds.toml"

_LINK = r"^https://[^\s/]+/\S+$"
_POD_API = " of Kubernetes"
_NOTHING = "null"
_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}


class ValuesRow(Model):
    """`[[values]]`: how the values of a chart differ from those of the release before it."""

    release: str = Field(pattern=VERSION.pattern)
    source: str = Field(pattern=_LINK)
    keys: dict[str, Any]
    gone: tuple[str, ...] = ()


class RenamedRow(Model):
    """`[[renamed]]`: what charts since 2.0.0 call a key of the charts before."""

    before: str
    now: str
    also: str = ""
    only: bool | None = None
    was: bool | int | None = None


class SchemaRow(Model):
    """`[[schema]]`: what a CRD takes in `spec`, beyond the release before it."""

    since: str = Field(pattern=VERSION.pattern)
    kind: str
    source: str = Field(pattern=_LINK)
    fields: dict[str, str]
    required: tuple[str, ...] = ()
    enums: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    minimums: dict[str, int] = Field(default_factory=dict)
    template: dict[str, str] = Field(default_factory=dict)


def values_rows(file: Path = VALUES) -> tuple[ValuesRow, ...]:
    """The rows of charts/values.toml. Raises CatalogueError."""
    source = TomlSource.read(file)
    source.require_only("values", "renamed")
    return source.rows("values", ValuesRow)


@cache
def renamed() -> tuple[RenamedRow, ...]:
    """The keys of charts before 2.0.0 that have another name since. Raises CatalogueError."""
    return TomlSource.read(VALUES).rows("renamed", RenamedRow)


def schema_rows(file: Path = CRDS) -> tuple[SchemaRow, ...]:
    """The rows of charts/crds.toml. Raises CatalogueError."""
    source = TomlSource.read(file)
    source.require_only("schema")
    return source.rows("schema", SchemaRow)


@cache
def values(version: str) -> Mapping[str, Any] | None:
    """The default values of a release's chart; None for a release before the first row."""
    rows = [row for row in values_rows() if numbers(row.release) <= numbers(version)]
    if not rows:
        return None
    flat: dict[str, Any] = {}
    for row in rows:
        flat = {key: value for key, value in {**flat, **row.keys}.items() if key not in row.gone}
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *above, last = key.split(".")
        place = nested
        for part in above:
            place = place.setdefault(part, {})
        place[last] = None if value == _NOTHING else value
    return nested


@cache
def schemas(version: str) -> Mapping[str, Mapping[str, Any]] | None:
    """The schema of `spec` of each kind that a release has, in OpenAPI's form; None for a release before the first row.

    Parts of the Pod API take anything, since what they take is not written here.
    """
    rows = [row for row in schema_rows() if numbers(row.since) <= numbers(version)]
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        root = made.setdefault(row.kind, {"type": "object", "properties": {}})
        for field, words in row.fields.items():
            _place(root, field).update(_typed(words))
        for field in row.required:
            above, _, last = field.rpartition(".")
            (_place(root, above) if above else root).setdefault("required", []).append(last)
        for field, taken in row.enums.items():
            _place(root, field)["enum"] = list(taken)
        for field, least in row.minimums.items():
            _place(root, field)["minimum"] = least
    for row in rows:
        for field, kind in row.template.items():
            _place(made[row.kind], field).update(copy.deepcopy(made[kind]))
    return made or None


def _place(root: dict[str, Any], field: str) -> dict[str, Any]:
    """The schema at a field's place, made if it is not there."""
    here = root
    for part in field.split("."):
        name = part.removesuffix("[]")
        if name == "*":
            here = here.setdefault("additionalProperties", {})
            continue
        here = here.setdefault("properties", {}).setdefault(name, {})
        if part.endswith("[]"):
            here = here.setdefault("items", {})
    return here


def _typed(words: str) -> dict[str, Any]:
    """`array of string`, `map of object`, `integer`, `object of Kubernetes` as a schema."""
    if words.endswith(_POD_API):
        return {"type": words.removesuffix(_POD_API), **_ANYTHING}
    kind, _, inner = words.partition(" of ")
    if kind == "array":
        return {"type": "array", "items": _scalar(inner)}
    return {"type": "object", "additionalProperties": _scalar(inner)} if kind == "map" else _scalar(words)


def _scalar(words: str) -> dict[str, Any]:
    if words == "int-or-string":
        return {"x-kubernetes-int-or-string": True}
    return {} if words == "any" else {"type": words}
