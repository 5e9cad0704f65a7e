# SPDX-License-Identifier: Apache-2.0
"""charts/behaviour.toml: what releases of the operator do, each fact with the releases that it holds of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from harness.matrix.model import DYNAMIC, Default, Fact, Feature, Release, Rule
from harness.matrix.versions import VERSION, numbers
from harness.matrix.written import Written

_F = TypeVar("_F", bound=Fact)


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """The rows of the file."""

    defaults: tuple[Default, ...] = ()
    rules: tuple[Rule, ...] = ()
    features: tuple[Feature, ...] = ()

    def of(self, release: Release) -> Release:
        """The release with what holds of it."""
        defaults = _holding(self.defaults, release)
        filled = {it.field for it in defaults}
        return release.model_copy(
            update={
                "defaults": defaults,
                "left_alone": tuple(dict.fromkeys(it.field for it in self.defaults if it.field not in filled)),
                "rules": _holding(self.rules, release),
                "features": self.features,
            }
        )


def _holding(facts: Sequence[_F], release: Release) -> tuple[_F, ...]:
    return tuple(it for it in facts if it.holds(release.version))


def read(written: Written) -> Behaviour:
    """The file. Raises CatalogueError with file, line and key, also for two rows about one thing that hold at once."""
    tables = {"default": "field", "rule": "name", "feature": "name"}
    for stray in written.data().keys() - tables.keys():
        raise written.error("", 0, stray, f"only {', '.join(f'[[{it}]]' for it in tables)} rows belong here")
    found = Behaviour(
        defaults=written.rows("default", Default),
        rules=written.rows("rule", Rule),
        features=written.rows("feature", Feature),
    )
    for table, rows in (("default", found.defaults), ("rule", found.rules), ("feature", found.features)):
        for number, row in enumerate(rows):
            for key, why in (*_period(row), *_condition(row)):
                raise written.error(table, number, key, why)
            for other in rows[:number]:
                named = getattr(row, tables[table])
                if named == getattr(other, tables[table]) and _overlap(row, other):
                    raise written.error(table, number, "since", f"a row above has {named!r} for some of these releases")
    return found


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


def _overlap(one: Fact, other: Fact) -> bool:
    return one.holds(other.since) or other.holds(one.since)
