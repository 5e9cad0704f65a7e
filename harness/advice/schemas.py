# SPDX-License-Identifier: Apache-2.0
"""What an API server makes of an object by a structural schema: the fields that it drops, the values that it refuses.

As apiextensions-apiserver does it (pkg/apiserver/schema/pruning and validation): fields that no property names are
pruned unless the schema preserves them, and types, enums, minimums and required fields are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.audit.expressions import is_known
from harness.redaction.redactor import MASK

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_INT_OR_STRING = "x-kubernetes-int-or-string"

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list, tuple),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


@dataclass(frozen=True, kw_only=True)
class Misfit:
    """One thing that a schema does not take: `path` with dots, `[]` for any item of an array."""

    kind: Literal["dropped", "refused"]
    path: str
    why: str


def misfits(value: Any, schema: Mapping[str, Any], path: str = "spec") -> Iterator[Misfit]:
    """What of a value the schema does not take. A null is dropped without a word where it is not allowed.

    Of what a snapshot masks nothing can be said, nor of a template's text.
    """
    if value is None or value == MASK or not isinstance(schema, Mapping):
        return
    if isinstance(value, str) and not is_known(value):
        return
    wrong = _wrong_type(value, schema) or _wrong_value(value, schema)
    if wrong:
        yield Misfit(kind="refused", path=path, why=wrong)
        return
    if isinstance(value, Mapping):
        yield from _of_map(value, schema, path)
    elif isinstance(value, list | tuple):
        items = schema.get("items")
        for item in value if isinstance(items, Mapping) else ():
            yield from misfits(item, items or {}, f"{path}[]")


def _of_map(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[Misfit]:
    properties, required = schema.get("properties"), schema.get("required")
    properties = properties if isinstance(properties, Mapping) else {}
    others = schema.get("additionalProperties")
    for name in required if isinstance(required, list | tuple) else ():
        if value.get(name) is None:
            yield Misfit(kind="refused", path=f"{path}.{name}", why="it is required")
    for name, inner in value.items():
        if name in properties:
            yield from misfits(inner, properties[name], f"{path}.{name}")
        elif isinstance(others, Mapping):
            yield from misfits(inner, others, f"{path}.{name}")
        elif not (others or schema.get(_PRESERVE) or not schema):
            yield Misfit(kind="dropped", path=f"{path}.{name}", why="the schema does not have it")


def _wrong_type(value: Any, schema: Mapping[str, Any]) -> str:
    if schema.get(_INT_OR_STRING):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
        return "" if fits else f"it is {_words(value)}, not an integer or a string"
    wanted = str(schema.get("type") or "")
    taken = _TYPES.get(wanted)
    if taken is None or (isinstance(value, taken) and (not isinstance(value, bool) or wanted == "boolean")):
        return ""
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return ""
    return f"it is {_words(value)}, not {'an' if wanted[0] in 'aio' else 'a'} {wanted}"


def _wrong_value(value: Any, schema: Mapping[str, Any]) -> str:
    enum, least = schema.get("enum"), schema.get("minimum")
    if isinstance(enum, list | tuple) and enum and value not in enum:
        return f"it is not one of {', '.join(map(str, enum))}"
    if isinstance(least, int | float) and isinstance(value, int | float) and value < least:
        return f"it is less than {least}"
    return ""


def _words(value: Any) -> str:
    for kind, types in _TYPES.items():
        if isinstance(value, bool) and kind != "boolean":
            continue
        if isinstance(value, types):
            return f"{'an' if kind[0] in 'aio' else 'a'} {kind}"
    return type(value).__name__
