# SPDX-License-Identifier: Apache-2.0
"""`[[known]]` and `[[note]]` of charts/upgrades.toml: what is known to break, and which moves it is about."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field

from harness.matrix.model import CrdMode, Known, Move, PathKind, ValuesMode, WayName
from harness.matrix.path_names import HELMS, USUAL
from harness.matrix.rows import Model
from harness.matrix.versions import VERSION, numbers

Basis = Literal["run", "upstream-issue", "code"]
"""The basis of a known break: observed in a run of this harness, reported upstream, or read in the operator's code."""

_BASES: Mapping[Basis, str] = {
    "run": "run of the project",
    "upstream-issue": "upstream issue",
    "code": "the operator's code",
}

ANYTHING = "?*"
"""The condition that a value is there, and not empty."""

INSTALLED = "release-installed"
"""The check of an install that did not get to its end. Where it did, no cell has it."""

_LINK = r"^https://[^\s/]+/\S+$"

COMPARISON = re.compile(r"(<=|>=|<|>)(\d+\.\d+\.\d+)")
"""One comparison in a pattern of releases."""

_COMPARE = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class Consequence(Model):
    """Another check that may fail, or have nothing to look at, because of a known break."""

    scenario: str = ""
    check: str
    says: str


class KnownRow(Model):
    """`[[known]]`: a break that the catalogue predicts, and the moves that it is about.

    `origins` and `targets` are matchers as in `matches`; empty `crds` and `values` stand for every mode, and empty
    `environments`, which are names or globs, for all of them. An install has a target only. `when` is as in Known.
    `ways` are those of the step, and `from_ways` those that have made what was there before it; empty, they stand for
    all. `message` is the verbatim error message. `out` is the CRD mode that is the way out, which a run tries.
    """

    origins: tuple[str, ...] = Field(default=("*",), alias="from", min_length=1)
    targets: tuple[str, ...] = Field(default=("*",), alias="to", min_length=1)
    crds: tuple[CrdMode, ...] = ()
    values: tuple[ValuesMode, ...] = ()
    ways: tuple[WayName, ...] = ()
    from_ways: tuple[WayName, ...] = ()
    kinds: tuple[PathKind, ...] = Field(default=("upgrade",), min_length=1)
    environments: tuple[str, ...] = ()
    spark: tuple[str, ...] = ()
    when: dict[str, bool | int | str] = Field(default_factory=dict)
    scenario: str
    check: str
    says: str
    also: tuple[Consequence, ...] = ()
    strikes: Literal["always", "sometimes"] = "always"
    why: str = Field(min_length=1)
    message: str = ""
    link: str = Field(pattern=_LINK)
    way_out: str = Field(min_length=1)
    out: CrdMode | None = None
    basis: Basis

    def about(self, move: Move, crds: CrdMode | None = None, values: ValuesMode | None = None) -> bool:
        """Whether the row applies to this step, in any mode or in this one. A Helm rollback changes neither the CRDs
        nor the values mode.
        """
        return (
            move.kind in self.kinds
            and matches(self.origins, move.origin)
            and matches(self.targets, move.target)
            and (not self.crds or crds is None or crds in self.crds)
            and (not self.values or values is None or values in self.values)
            and self._of_host(move.way, move.origin_way) is not None
        )

    def certain(self, move: Move) -> bool:
        """Whether it is about this step in every environment, with any values, and whichever Helm the host has."""
        return not (self.when or self.environments) and self._of_host(move.way, move.origin_way) == ()

    def about_install(self, release: str, way: WayName = USUAL) -> bool:
        """Whether the row applies to the install of this release in this way."""
        return "install" in self.kinds and matches(self.targets, release) and self._of_host(way) is not None

    def expectations(self, release: str, *ways: WayName) -> Iterator[Known]:
        """The row as checks are judged by it after an install of, or a move to, this release; what follows from the
        break need not show each time. `ways` are those of the step and of what was there before.
        """
        told: dict[str, Any] = {"why": self.why, "link": self.link, "way_out": self.way_out}
        told |= {"environments": self.environments, "spark": self.spark, "release": release, "when": self.when}
        told["out"] = self.out
        told["ways"] = self._of_host(*ways) or ()
        yield Known(scenario=self.scenario, check=self.check, says=self.says, strikes=self.strikes, **told)
        for it in self.also:
            yield Known(scenario=it.scenario or self.scenario, check=it.check, says=it.says, strikes="follows", **told)

    def _of_host(self, *ways: WayName) -> tuple[WayName, ...] | None:
        """Which of these the usual way must be, for the row to be about a step in these ways; any when there are none.

        None when it is about other ways. Which Helm the usual one is, only the host knows.
        """
        left = HELMS
        for asked, way in zip((self.ways, self.from_ways), ways, strict=False):
            if asked and way not in asked:
                left = tuple(it for it in left if it in asked) if way == USUAL else ()
        return None if not left else () if left == HELMS else left


class Note(Model):
    """`[[note]]`: a known fact about an edge without a path, since one of its releases or a setting has no row.

    `value` is the key of the chart's values that it is about; empty when it is about any. Where that is a tag, `tags`
    are the releases among them that it is about; it may be about any tag that is no release.
    """

    origins: tuple[str, ...] = Field(default=("*",), alias="from", min_length=1)
    targets: tuple[str, ...] = Field(default=("*",), alias="to", min_length=1)
    kinds: tuple[Literal["upgrade", "rollback"], ...] = Field(default=("upgrade",), min_length=1)
    value: str = ""
    tags: tuple[str, ...] = ()
    why: str = Field(min_length=1)
    message: str = ""
    link: str = Field(pattern=_LINK)
    way_out: str = Field(min_length=1)
    basis: Basis

    def holds(self, value: object) -> bool:
        """Whether it is about a value of its key."""
        tag = str(value).partition("@")[0].removeprefix("v")
        is_release = bool(VERSION.fullmatch(tag))
        # Of a list, an empty text stands for none or for all.
        return bool(any(value) if isinstance(value, list) else value) and not (
            self.tags and is_release and not matches(self.tags, str(value))
        )

    def about(self, origin: str, target: str, kind: str = "upgrade") -> bool:
        """Whether it is about the edge between these releases."""
        return kind in self.kinds and matches(self.origins, origin) and matches(self.targets, target)


def source(row: KnownRow | Note) -> str:
    """What a row rests on, in words, and where that is."""
    return f"{_BASES[row.basis]}, {row.link}"


def matches(patterns: Iterable[str], release: str) -> bool:
    """Whether one of the patterns matches the release.

    A pattern is a version, which includes relocated ones; a name or a glob of names (`*@docker.io`); or
    comparisons of versions, all of which must hold (`>=2.3.0,<2.5.0`).
    """
    return any(_matches(pattern, release) for pattern in patterns)


@lru_cache(maxsize=10_000)
def _matches(pattern: str, release: str) -> bool:
    if pattern[:1] in ("<", ">"):
        return all(
            _COMPARE[found[1]](numbers(release), numbers(found[2]))
            for found in (COMPARISON.fullmatch(part.strip()) for part in pattern.split(","))
            if found
        )
    return fnmatchcase(release, pattern) or fnmatchcase(release.partition("@")[0], pattern)
