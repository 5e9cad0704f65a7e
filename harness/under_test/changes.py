# SPDX-License-Identifier: Apache-2.0
"""How the chart of the operator under test differs from that of a release: fields of its CRDs, and default values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from harness import libyaml
from harness.releases import chart_files, crds
from harness.releases.charts import Chart
from harness.untrusted import check_yaml

_MOST = 50
_LONGEST = 60
_BELOW = ("properties", "items", "additionalProperties")


def between(older: Chart, newer: Chart) -> tuple[str, ...]:
    """The differences in lines, at most fifty of each kind and then how many more there are. Raises UsageError."""
    return (*_few(_of_crds(older, newer), "fields of CRDs"), *_few(_of_values(older, newer), "values"))


def _few(lines: Iterator[str], what: str) -> Iterator[str]:
    found = list(lines)
    yield from found[:_MOST]
    if len(found) > _MOST:
        yield f"and {len(found) - _MOST} more {what}"


def _of_crds(older: Chart, newer: Chart) -> Iterator[str]:
    before, after = crds.chart_crds(older), crds.chart_crds(newer)
    for name in sorted(before.keys() | after.keys()):
        kind = name.partition(".")[0]
        if name not in before or name not in after:
            yield f"CRD {name} is {'new' if name in after else 'gone'}"
            continue
        one, other = crds.canonical(before[name])["versions"], crds.canonical(after[name])["versions"]
        for version in sorted(one.keys() | other.keys()):
            if version not in one or version not in other:
                yield f"CRD {kind}: version {version} is {'new' if version in other else 'gone'}"
                continue
            for line in _schema("", one[version]["schema"], other[version]["schema"]):
                yield f"CRD {kind} {version}: {line}"


def _schema(path: str, before: Any, after: Any) -> Iterator[str]:
    """How two schemas of one field differ; what is below a new or a removed one goes without saying."""
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        if before != after:
            yield f"{path or 'the schema'}: {_brief(before)} → {_brief(after)}"
        return
    for key in sorted({*before, *after} - set(_BELOW)):
        if before.get(key) != after.get(key):
            yield f"{path or 'the schema'}: {key} {_brief(before.get(key))} → {_brief(after.get(key))}"
    for mark, key in (("[]", "items"), (".*", "additionalProperties")):
        if key in before or key in after:
            yield from _schema(f"{path}{mark}", before.get(key, {}), after.get(key, {}))
    one, other = before.get("properties") or {}, after.get("properties") or {}
    for name in sorted(one.keys() | other.keys()):
        inner = f"{path}.{name}" if path else name
        if name not in one:
            yield f"{inner} is new ({_type(other[name])})"
        elif name not in other:
            yield f"{inner} is gone ({_type(one[name])})"
        else:
            yield from _schema(inner, one[name], other[name])


def _type(schema: Any) -> str:
    return str(schema.get("type") or "any") if isinstance(schema, Mapping) else "any"


def _of_values(older: Chart, newer: Chart) -> Iterator[str]:
    before, after = dict(_flat(_values(older))), dict(_flat(_values(newer)))
    for key in sorted(before.keys() | after.keys()):
        if key not in before:
            yield f"value {key} is new: {_brief(after[key])}"
        elif key not in after:
            yield f"value {key} is gone: it was {_brief(before[key])}"
        elif before[key] != after[key]:
            yield f"value {key}: {_brief(before[key])} → {_brief(after[key])}"


def _values(chart: Chart) -> Mapping[str, Any]:
    text = check_yaml(chart_files.text(chart.path, "values.yaml") or "")
    found = yaml.load(text, Loader=libyaml.Loader)  # noqa: S506 - a safe loader
    return found if isinstance(found, Mapping) else {}


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _brief(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
