# SPDX-License-Identifier: Apache-2.0
"""clusters/matrix.toml: tiers, which are tags for cells, and exclusions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

from pydantic import Field, model_validator

from harness.matrix.model import Cell, Environment
from harness.matrix.names import covers
from harness.matrix.release import Release
from harness.matrix.rows import Model
from harness.toml_source import TomlSource


class Tier(Model):
    """A row that tags its cells. Names may repeat; `includes` adds the cells of other tiers.

    With `foundry`, only environments count whose nodes the foundry can build. Without `spark`, only cells whose
    applications run on the usual Spark version do.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    environments: tuple[str, ...] = ()
    foundry: bool = False
    paths: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()
    spark: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _something(self) -> Self:
        lists = (self.environments, self.paths, self.scenarios)
        if not all(lists) and (any(lists) or self.foundry or not self.includes):
            raise ValueError("a tier needs environments, paths and scenarios, or only includes")
        return self

    def offers(self, environment: Environment) -> bool:
        """Whether cells of this environment can be in the tier."""
        if not self.environments:
            return False
        return environment.named_by(self.environments) and (environment.foundry or not self.foundry)

    def has(self, cell: Cell) -> bool:
        """Whether this row matches the cell, ignoring `includes`."""
        scenario = cell.scenario
        return (
            self.offers(cell.environment)
            and covers(self.paths, cell.path.name)
            and covers(self.scenarios, scenario.base)
            and (covers(self.spark, scenario.spark) if self.spark else scenario.name == scenario.base)
        )


class Exclusion(Model):
    """A row that excludes cells, with the reason and a link to upstream; without `spark`, on every Spark version."""

    environments: tuple[str, ...] = Field(default=("*",), min_length=1)
    paths: tuple[str, ...] = Field(default=("*",), min_length=1)
    scenarios: tuple[str, ...] = Field(default=("*",), min_length=1)
    spark: tuple[str, ...] = ()
    reason: str = Field(min_length=1)
    link: str = Field(pattern=r"^https://[^\s/]+/\S+$")

    def has(self, cell: Cell) -> bool:
        """Whether this row excludes the cell."""
        return (
            cell.environment.concerned_by(self.environments)
            and covers(self.paths, cell.path.name)
            and covers(self.scenarios, cell.scenario.base)
            and covers(self.spark, cell.scenario.spark)
        )


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """An excluded cell, why, and a link to upstream."""

    cell: Cell
    reason: str
    link: str


@dataclass(frozen=True, kw_only=True)
class Rules:
    """The rows of the file."""

    tiers: tuple[Tier, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    written: TomlSource = field(default_factory=TomlSource)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tiers, without duplicates."""
        return tuple(dict.fromkeys(tier.name for tier in self.tiers))

    def rows_of(self, names: Iterable[str]) -> list[Tier]:
        """The rows of these tiers, and of those that they include, that have cells of their own."""
        behind = frozenset[str]().union(*(self._behind_each[name] for name in names))
        return [tier for tier in self.tiers if tier.name in behind and tier.environments]

    def tiered(self, cell: Cell) -> Cell:
        """The cell with the names of its tiers before its other tags."""
        direct = {tier.name for tier in self.tiers if tier.has(cell)}
        tags = [name for name, behind in self._behind_each.items() if direct & behind]
        return cell.model_copy(update={"tags": tuple(dict.fromkeys((*tags, *cell.tags)))})

    def left_out(self, cell: Cell, releases: Iterable[Release]) -> LeftOut | None:
        """Why the cell is excluded, or None; `releases` are those of its path."""
        for row in self.exclusions:
            if row.has(cell):
                return LeftOut(cell=cell, reason=row.reason, link=row.link)
        for release in releases:
            for feature in release.features:
                if feature.name in cell.scenario.needs_features and not release.has(feature.name):
                    reason = f"releases before {feature.since} have no {feature.means}"
                    return LeftOut(cell=cell, reason=reason, link=feature.source)
            for crd in cell.scenario.needs_crds:
                if crd not in release.crds:
                    return LeftOut(
                        cell=cell,
                        reason=f"release {release.version} has no CRD {crd}, which {cell.scenario.name} needs",
                        link=release.crds_link,
                    )
        return None

    @cached_property
    def _behind_each(self) -> dict[str, frozenset[str]]:
        """For each tier everything that it includes, in the order of the file."""
        return {name: frozenset(self._behind(name)) for name in self.names}

    def _behind(self, name: str, seen: frozenset[str] = frozenset()) -> list[str]:
        """The tier and everything that it includes."""
        if name in seen:
            return []
        more = [other for tier in self.tiers if tier.name == name for other in tier.includes]
        return [name, *(found for other in more for found in self._behind(other, seen | {name}))]
