# SPDX-License-Identifier: Apache-2.0
"""charts/behaviour.toml: the behaviour of the operator's releases, each fact with the releases that it applies to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from harness.matrix.facts import (
    DYNAMIC,
    Default,
    Fact,
    Feature,
    GrantedRight,
    IgnoredValue,
    LogNoise,
    Metric,
    RefusedConf,
    Rule,
    StoredCheck,
    UnmetRight,
)
from harness.matrix.release import Release
from harness.matrix.versions import VERSION, numbers
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "charts" / "behaviour.toml"

_F = TypeVar("_F", bound=Fact)


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The rows of the file."""

    defaults: tuple[Default, ...] = ()
    rules: tuple[Rule, ...] = ()
    refused: tuple[RefusedConf, ...] = ()
    checks: tuple[StoredCheck, ...] = ()
    features: tuple[Feature, ...] = ()
    metrics: tuple[Metric, ...] = ()
    noise: tuple[LogNoise, ...] = ()
    ignored: tuple[IgnoredValue, ...] = ()
    unmet: tuple[UnmetRight, ...] = ()
    granted: tuple[GrantedRight, ...] = ()

    def of(self, release: Release) -> Release:
        """The release with the facts that apply to it."""
        defaults = _holding(self.defaults, release)
        filled = {it.field for it in defaults}
        return release.model_copy(
            update={
                "defaults": defaults,
                "left_alone": tuple(dict.fromkeys(it.field for it in self.defaults if it.field not in filled)),
                "rules": _holding(self.rules, release),
                "refused_conf": {key: it for row in _holding(self.refused, release) for key, it in row.keys.items()},
                "stored_checks": _holding(self.checks, release),
                "features": self.features,
                "metrics": tuple(it.name for it in _holding(self.metrics, release)),
                "known_log_noise": tuple(it.says for it in _holding(self.noise, release)),
                "ignored_values": _holding(self.ignored, release),
                "unmet_rights": _holding(self.unmet, release),
                "granted_rights": _holding(self.granted, release),
            }
        )


def _holding(facts: Sequence[_F], release: Release) -> tuple[_F, ...]:
    return tuple(it for it in facts if it.holds(release.version))


def read(written: TomlSource) -> Behaviour:
    """The file. Raises CatalogueError with file, line and key, including for overlapping rows about the same thing."""
    tables: dict[str, tuple[type[Fact], str]] = {
        "default": (Default, "field"),
        "rule": (Rule, "name"),
        "refused-conf": (RefusedConf, "name"),
        "stored-check": (StoredCheck, "about"),
        "feature": (Feature, "name"),
        "metric": (Metric, "name"),
        "log-noise": (LogNoise, "says"),
        "ignored-value": (IgnoredValue, "value"),
        "unmet-right": (UnmetRight, "value"),
        "granted-right": (GrantedRight, "component"),
    }
    written.require_only(*tables)
    for table, (model, named) in tables.items():
        _require_sense(written, table, written.rows(table, model), named)
    return Behaviour(
        defaults=written.rows("default", Default),
        rules=written.rows("rule", Rule),
        refused=written.rows("refused-conf", RefusedConf),
        checks=written.rows("stored-check", StoredCheck),
        features=written.rows("feature", Feature),
        metrics=written.rows("metric", Metric),
        noise=written.rows("log-noise", LogNoise),
        ignored=written.rows("ignored-value", IgnoredValue),
        unmet=written.rows("unmet-right", UnmetRight),
        granted=written.rows("granted-right", GrantedRight),
    )


def _require_sense(written: TomlSource, table: str, rows: Sequence[Fact], named: str) -> None:
    for number, row in enumerate(rows):
        for key, why in (*_period(row), *_condition(row), *_pattern(row)):
            raise written.error(table, number, key, why)
        name = getattr(row, named)
        if any(name == getattr(other, named) and _overlap(row, other) for other in rows[:number]):
            raise written.error(table, number, "since", f"a row above has {name!r} for some of these releases")


def _period(row: Fact) -> Iterator[tuple[str, str]]:
    for key, version in (("since", row.since), ("until", row.until)):
        if not VERSION.fullmatch(version) and (version or key == "since"):
            yield key, f"{version!r} is not a full version such as 2.5.2"
            return
    if row.until and numbers(row.until) < numbers(row.since):
        yield "until", f"{row.until} is older than {row.since}"


def _condition(row: Fact) -> Iterator[tuple[str, str]]:
    for it in row.unless if isinstance(row, Default) else ():
        if it != DYNAMIC and not it.startswith("spark."):
            yield "unless", f"{it!r} is neither {DYNAMIC} nor a key of sparkConf, spark.…"


def _pattern(row: Fact) -> Iterator[tuple[str, str]]:
    if isinstance(row, LogNoise):
        try:
            re.compile(row.says)
        except re.error as broken:
            yield "says", f"{row.says!r} is not a valid regular expression: {broken}"


def _overlap(one: Fact, other: Fact) -> bool:
    return one.holds(other.since) or other.holds(one.since)


_SITUATIONS: Mapping[str, Mapping[str, Any]] = {
    "without a sparkConf": {},
    "with a sparkConf": {"sparkConf": {}},
    "with dynamic allocation": {DYNAMIC: {"enabled": True}},
}


def changes(origin: Release, target: Release) -> list[str]:
    """How defaults for applications change with another release, and which rights go, in sentences.

    It is no change when the webhook starts or stops setting a field to Spark's own default.
    """
    found: dict[tuple[str, _Got, _Got], list[str]] = {}
    for field in dict.fromkeys(it.field for it in (*origin.defaults, *target.defaults)):
        for situation, spec in _SITUATIONS.items():
            before, after = _gets(origin, target, field, spec), _gets(target, origin, field, spec)
            if before.value != after.value:
                found.setdefault((field, before, after), []).append(situation)
    return [
        f"applications{_in_words(situations)} that do not set {field} get {after.words} with {target.version}, but "
        f"{before.words} with {origin.version}: set it if that matters"
        for (field, before, after), situations in found.items()
    ] + [
        f"the chart of {target.version} takes rights in job namespaces from the account of the {it.component}, which "
        f"other programs may use as well: {it}"
        for it in origin.granted_rights
        if it not in target.granted_rights
    ]


@dataclass(frozen=True, kw_only=True)
class _Got:
    """The value of a field that an application does not set."""

    value: bool | int | str | None
    words: str


def _gets(release: Release, other: Release, field: str, spec: Mapping[str, Any]) -> _Got:
    """`other` supplies Spark's own default if the release never sets the field."""
    for row in release.defaults:
        if row.field == field and row.applies(spec):
            return _Got(value=row.value, words=f"{row.value} from the webhook")
    own = next(row.spark for row in (*release.defaults, *other.defaults) if row.field == field)
    return _Got(value=own, words=f"Spark's own default of {own}" if own is not None else "nothing from the webhook")


def _in_words(situations: Sequence[str]) -> str:
    return "" if len(situations) == len(_SITUATIONS) else f" {' or '.join(situations)}"


def table(defaults: Sequence[Default]) -> str:
    """The table of docs/upgrades.md: defaults set by the webhook, in the order of the file."""
    head = "| field of `spec` | filled in | by | where | otherwise |\n| --- | --- | --- | --- | --- |"
    return "\n".join([head, *map(_row, defaults)]) + "\n"


def _row(row: Default) -> str:
    by = f"[{row.since} to {row.until}]" if row.until else f"[from {row.since} on]"
    only = f"only beside `{row.only_with}`" if row.only_with else ""
    without = f"not with {' or '.join(f'`{it}`' for it in row.unless)}" if row.unless else ""
    where = ", ".join(filter(None, (only, without))) or "always"
    own = "" if row.spark is None else f"Spark's own `{_shown(row.spark)}`"
    return f"| `{row.field}` | `{_shown(row.value)}` | {by}({row.source}) | {where} | {own} |"


def _shown(value: bool | int | str) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


if __name__ == "__main__":
    print(table(read(TomlSource.read(FILE)).defaults), end="")
