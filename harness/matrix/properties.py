# SPDX-License-Identifier: Apache-2.0
"""clusters/properties.toml: what clusters differ in beside provider and version, as rows that go with any environment.

`kind-1.34-3n` is the environment kind-1.34 with the property 3n. Several are written one after the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from harness.errors import UsageError
from harness.matrix.model import Environment, Traits
from harness.matrix.names import NOT, is_glob, unknown
from harness.matrix.versions import numbers
from harness.toml_source import TomlSource
from harness.wording import did_you_mean, nearest

_APART = "-"


class Property(Traits):
    """`[[property]]`: its name, what it is in words, and what it changes of a cluster.

    `providers` are those that can have it, where that is not all, and `since` the first minor of Kubernetes that can.
    `impossible` says why nothing has it yet.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.]*(-[a-z0-9.]+)*$")
    about: str = Field(min_length=1)
    providers: tuple[str, ...] = ()
    since: str = Field(default="", pattern=r"^(\d+\.\d+)?$")
    impossible: str = ""

    def why_not(self, base: Environment) -> str:
        """Why an environment cannot have it; empty where it can."""
        if self.providers and base.provider not in self.providers:
            return f"{self.name} is for {' and '.join(self.providers)}, not for {base.provider}"
        if self.since and numbers(base.minor) < numbers(self.since):
            return f"{self.name} needs Kubernetes {self.since}"
        return ""

    @property
    def changes(self) -> dict[str, Any]:
        """What it sets of a cluster."""
        return {key: getattr(self, key) for key in Traits.model_fields if key in self.model_fields_set}


@dataclass(frozen=True, kw_only=True)
class Properties:
    """The rows, in the order in which a name has them."""

    rows: tuple[Property, ...] = ()

    def split(self, name: str) -> tuple[str, tuple[Property, ...]]:
        """A name or glob without the properties at its end, and these in the order of the rows."""
        found: list[Property] = []
        while True:
            last = max(
                (it for it in self.rows if name.endswith(_APART + it.name)), key=lambda it: len(it.name), default=None
            )
            if last is None or last in found:
                return name, tuple(it for it in self.rows if it in found)
            found.append(last)
            name = name.removesuffix(_APART + last.name)

    def of(self, base: Environment, chosen: Sequence[Property]) -> Environment:
        """The environment with these properties. Raises UsageError where it cannot have them."""
        changes: dict[str, Any] = {}
        name = _APART.join((base.name, *(it.name for it in chosen)))
        for it in chosen:
            wrong = it.why_not(base)
            if wrong:
                raise UsageError(f"environment {name}: {wrong}", f"it means: {it.about}")
            for key, value in it.changes.items():
                if isinstance(value, tuple):
                    value = (*changes.get(key, getattr(base, key)), *value)
                elif key in changes:
                    raise UsageError(f"environment {name}: two of its properties set {key}", "leave one of them out")
                changes[key] = value
        if "containerd" in changes:
            # Only a node of the foundry can have another one.
            changes |= {"node_image": "", "upstream_kubernetes": ""}
        names = tuple(it.name for it in chosen)
        why = next((f"{it.name}: {it.impossible}" for it in chosen if it.impossible), "")
        changes |= {"name": name, "properties": names, "impossible": why, "tags": (*base.tags, *names)}
        return Environment.model_validate(base.model_dump() | changes)


def read_properties(source: TomlSource) -> Properties:
    """The rows of a file. Raises CatalogueError with file, line and key."""
    source.require_only("property")
    rows = source.rows("property", Property)
    source.require_unique("property", "name", (row.name for row in rows))
    return Properties(rows=rows)


def find(name: str, rows: Sequence[Environment], properties: Properties) -> Environment:
    """The environment of that name: one with a row, or one with a row and properties. Raises UsageError."""
    known = {it.name: it for it in rows}
    base, chosen = properties.split(name)
    if name in known or base not in known:
        found = known.get(name)
        if found is None:
            raise _with_property(name, known, properties) or unknown("environment", name, known)
        return found
    return properties.of(known[base], chosen)


def _with_property(name: str, known: Iterable[str], properties: Properties) -> UsageError | None:
    """What to say of an environment with a property that there is not; None where that is not what is wrong."""
    base = next((it for it in sorted(known, key=len, reverse=True) if name.startswith((f"{it}-", f"{it}+"))), "")
    rows = [it.name for it in properties.rows]
    rest = name[len(base) + 1 :]
    near = next(filter(rest.startswith, rows), "") or nearest(rest, rows)
    if not base or not near:
        return None
    message = f"there is no environment named {name!r}{did_you_mean(f'{base}-{near}')}"
    return UsageError(message, f"the properties are: {', '.join(rows)}")


def names_for(patterns: Iterable[str], rows: Sequence[Environment], properties: Properties) -> list[str]:
    """The names that these patterns can be about: all rows, and those with the properties that a pattern ends in.

    Where a pattern has a wildcard, only environments that can have the properties count.
    """
    return list(dict.fromkeys((*(it.name for it in rows), *_composed(patterns, rows, properties))))


def _composed(patterns: Iterable[str], rows: Sequence[Environment], properties: Properties) -> Iterator[str]:
    known = {it.name: it for it in rows}
    for pattern in patterns:
        name = pattern.removeprefix(NOT)
        base, chosen = properties.split(name)
        if name in known or not chosen:
            continue
        if not is_glob(base):
            yield find(name, rows, properties).name
            continue
        for row in rows:
            if not any(it.why_not(row) for it in chosen):
                yield properties.of(row, chosen).name


def canonical(patterns: Iterable[str], rows: Sequence[Environment], properties: Properties) -> tuple[str, ...]:
    """The patterns with the properties of each in the order of the rows."""
    known = {it.name for it in rows}
    return tuple(_canonical(pattern, known, properties) for pattern in patterns)


def _canonical(pattern: str, known: Iterable[str], properties: Properties) -> str:
    name = pattern.removeprefix(NOT)
    if name in known:
        return pattern
    base, chosen = properties.split(name)
    return (NOT if pattern.startswith(NOT) else "") + _APART.join((base, *(it.name for it in chosen)))
