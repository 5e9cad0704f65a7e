# SPDX-License-Identifier: Apache-2.0
"""charts/upgrades.toml: upgrades, rollbacks and chains as rows, and their known breaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from pydantic import Field

from harness.errors import UsageError
from harness.matrix.known_rows import COMPARISON, INSTALLED, KnownRow, Note
from harness.matrix.model import CrdMode, Known, Path, PathKind, ValuesMode, WayName
from harness.matrix.path_names import USUAL, is_release, name_of, parse, ways_of
from harness.matrix.possible import why_not, why_not_in_ways
from harness.matrix.release import Release
from harness.matrix.rows import Model
from harness.matrix.versions import UNDER_TEST, is_prerelease, numbers, order
from harness.toml_source import TomlSource

_HELM = r"^\d+\.\d+\.\d+$"


class Limits(Model):
    """The limits of a path: milliseconds without admission, milliseconds for one create, and the minimum Helm
    version."""

    outage_limit: float | None = Field(default=None, gt=0)
    delay_limit: float | None = Field(default=None, gt=0)
    helm: str | None = Field(default=None, pattern=_HELM)


class LimitDefaults(Model):
    """`[defaults]`: the limits of rows that do not set them, and of paths without a row.

    `helm_for` has the minimum Helm version of values modes that need a newer one.
    """

    outage_limit: float = Field(default=5000.0, gt=0)
    delay_limit: float = Field(default=5000.0, gt=0)
    helm: str = Field(default="3.0.0", pattern=_HELM)
    helm_for: dict[ValuesMode, str] = Field(default_factory=dict)


class EdgeRow(Limits):
    """`[[edge]]`, and with the newer releases in `from` also `[[rollback]]`: its lists multiply into paths."""

    origins: tuple[str, ...] = Field(alias="from", min_length=1)
    targets: tuple[str, ...] = Field(alias="to", min_length=1)
    crds: tuple[CrdMode, ...] = Field(default=("none", "apply", "hook"), min_length=1)
    values: tuple[ValuesMode, ...] = Field(default=("default",), min_length=1)
    ways: tuple[str, ...] = Field(default=(USUAL,), min_length=1)
    tags: tuple[str, ...] = ()


class ChainRow(Limits):
    """`[[chain]]`: several upgrades, one after the other."""

    releases: tuple[str, ...] = Field(min_length=3)
    crds: tuple[CrdMode, ...] = Field(default=("apply",), min_length=1)
    ways: tuple[str, ...] = Field(default=(USUAL,), min_length=1)
    tags: tuple[str, ...] = ()


class ProfiledRow(Model):
    """`[[profiled]]`: paths by their full names, each of them with the values of each profile."""

    paths: tuple[str, ...] = Field(min_length=1)
    profiles: tuple[str, ...] = Field(min_length=1)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Upgrades:
    """The file: `paths` are those that have a row, by name, in the order of the rows."""

    paths: Mapping[str, Path] = field(default_factory=dict)
    defaults: LimitDefaults = field(default_factory=LimitDefaults)
    known: tuple[KnownRow, ...] = ()
    notes: tuple[Note, ...] = ()
    profiled: tuple[ProfiledRow, ...] = ()
    written: TomlSource = field(default_factory=TomlSource)

    def path(
        self,
        kind: PathKind,
        releases: Sequence[str],
        crds: CrdMode,
        values: ValuesMode,
        ways: tuple[WayName, ...] = (),
    ) -> Path:
        """The path, with its row's limits or the defaults, and with the known breaks of its steps."""
        name = name_of(kind, releases, crds, values, ways)
        return self.paths.get(name) or self._path(kind, releases, crds, values, ways, Limits(), ())

    def of_install(self, release: str, way: WayName = USUAL) -> tuple[Known, ...]:
        """The known breaks of an install of this release in this way."""
        rows = (row for row in self.known if row.about_install(release, way))
        return tuple(it for row in rows for it in row.expectations(release, way))

    def _before_moves(self, release: str, way: WayName) -> tuple[Known, ...]:
        """What keeps the first install of a path from its end, so that no move begins."""
        return tuple(it for it in self.of_install(release, way) if it.check == INSTALLED)

    def _path(
        self,
        kind: PathKind,
        releases: Sequence[str],
        crds: CrdMode,
        values: ValuesMode,
        ways: tuple[WayName, ...],
        limits: Limits,
        tags: tuple[str, ...],
    ) -> Path:
        bare = Path(name="", kind=kind, releases=tuple(releases), ways=ways)
        moves = bare.moves
        known = [
            each.model_copy(update={"move": str(move)}) if len(moves) > 1 else each
            for move in moves
            for row in self.known
            if row.about(move, crds, values)
            for each in row.expectations(move.target, move.way, move.origin_way)
        ]
        helm = max((limits.helm or self.defaults.helm, self.defaults.helm_for.get(values, "0.0.0")), key=numbers)
        return Path(
            name=name_of(kind, releases, crds, values, ways),
            kind=kind,
            releases=tuple(releases),
            ways=ways,
            crds=crds,
            values=values,
            helm=helm,
            outage_limit=limits.outage_limit or self.defaults.outage_limit,
            delay_limit=limits.delay_limit or self.defaults.delay_limit,
            known=(*self._before_moves(releases[0], bare.way()), *known),
            tags=tags,
        )


def read(written: TomlSource, release: Callable[[str], Release]) -> Upgrades:
    """The file. `release` finds a release by its name, or raises UsageError.

    Raises CatalogueError with file, line and key: for unknown releases, for an edge from a release to itself, for a
    downgrade that is written as an upgrade, for a path that two rows have, and for invalid matchers.
    """
    written.require_only("edge", "rollback", "chain", "known", "note", "profiled", beside="defaults")
    defaults = written.table("defaults", LimitDefaults)
    found = Upgrades(
        defaults=defaults,
        known=written.rows("known", KnownRow),
        notes=written.rows("note", Note),
        profiled=written.rows("profiled", ProfiledRow),
        written=written,
    )
    for number, profiled in enumerate(found.profiled):
        for name in profiled.paths:
            if not parse(name):
                raise written.error("profiled", number, "paths", f"{name} is not the name of a path")
    for number, row in enumerate(found.known):
        _require_meaning(written, "known", number, row, release)
    for number, note in enumerate(found.notes):
        _require_meaning(written, "note", number, note, release)
    paths: dict[str, Path] = {}
    replaced: dict[tuple[str, int], bool] = {}
    for table, number, path in _of_rows(found, release):
        replaces = written.replaces(table, number)
        if path.name in paths and not replaces:
            raise written.error(table, number, "", f"a row above already has {path.name}")
        if replaces:
            replaced[table, number] = path.name in paths or replaced.get((table, number), False)
        paths[path.name] = path
    for (table, number), did in replaced.items():
        if not did:
            raise written.error(table, number, "replaces", "no row above has a path of this one that it could replace")
    return replace(found, paths=paths)


def _of_rows(found: Upgrades, release: Callable[[str], Release]) -> Iterator[tuple[str, int, Path]]:
    """The paths of the rows, each with the table and the number of its row."""
    written = found.written
    for table in ("edge", "rollback"):
        kind: PathKind = "upgrade" if table == "edge" else "rollback"
        for number, row in enumerate(written.rows(table, EdgeRow)):
            named = {name: _release(written, table, number, name, release) for name in (*row.origins, *row.targets)}
            for origin, target in _pairs(written, table, number, row):
                ends = (target, origin) if kind == "rollback" else (origin, target)
                for crds in row.crds:
                    wrong = why_not(kind, [named[end] for end in ends], crds)
                    if wrong:
                        raise written.error(table, number, "crds" if crds == "hook" else "to", wrong)
                    for values, ways in product(row.values, _ways(written, table, number, row, ends)):
                        wrong = why_not_in_ways([named[end] for end in ends], crds, ways)
                        if wrong:
                            raise written.error(table, number, "ways", wrong)
                        yield table, number, found._path(kind, ends, crds, values, ways, row, row.tags)
    for number, chain in enumerate(written.rows("chain", ChainRow)):
        links = [_release(written, "chain", number, name, release) for name in chain.releases]
        for crds in chain.crds:
            wrong = why_not("upgrade", links, crds)
            if wrong:
                raise written.error("chain", number, "releases", wrong)
            for ways in _ways(written, "chain", number, chain, chain.releases):
                yield "chain", number, found._path("upgrade", chain.releases, crds, "default", ways, chain, chain.tags)


def _ways(
    written: TomlSource, table: str, number: int, row: EdgeRow | ChainRow, releases: Sequence[str]
) -> list[tuple[WayName, ...]]:
    """The ways of the row's paths, each with one for every step. Raises CatalogueError."""
    steps = len(releases) + (table == "rollback")
    try:
        return [ways_of(it, steps) for it in row.ways]
    except UsageError as wrong:
        raise written.error(table, number, "ways", wrong.message, wrong.next_step) from wrong


def _pairs(written: TomlSource, table: str, number: int, row: EdgeRow) -> Iterator[tuple[str, str]]:
    """The pairs of a row in the right direction. Raises CatalogueError for a name without such a pair."""

    def leads(origin: str, target: str) -> bool:
        older, newer = (target, origin) if table == "rollback" else (origin, target)
        same_but_copied = order(older) == order(newer) and older != newer
        return order(older) < order(newer) or same_but_copied

    pairs = [(origin, target) for origin in row.origins for target in row.targets if leads(origin, target)]
    for key, names, others, end in (("from", row.origins, row.targets, 0), ("to", row.targets, row.origins, 1)):
        for name in names:
            if any(pair[end] == name for pair in pairs):
                continue
            if name in others and len(set(others)) == 1:
                why = f"an edge from {name} to itself proves nothing"
            elif table == "rollback":
                why = f"a rollback goes to an older release, and this row has none for {name}"
            else:
                why = f"an upgrade goes to a newer release, and this row has none for {name}; see [[rollback]]"
            raise written.error(table, number, key, why)
    yield from pairs


def _release(written: TomlSource, table: str, number: int, name: str, release: Callable[[str], Release]) -> Release:
    try:
        return release(name)
    except UsageError as error:
        key = _key_with(written, table, number, name)
        raise written.error(table, number, key, error.message, error.next_step) from error


def _key_with(written: TomlSource, table: str, number: int, name: str) -> str:
    """The key of the row in which this name stands."""
    row = written.data[table][number]
    return next((key for key, value in row.items() if isinstance(value, list) and name in value), "")


def _require_meaning(
    written: TomlSource, table: str, number: int, row: KnownRow | Note, release: Callable[[str], Release]
) -> None:
    for key, patterns in (("from", row.origins), ("to", row.targets)):
        for pattern in patterns:
            parts = pattern.split(",") if pattern[:1] in ("<", ">") else []
            for part in parts:
                if not COMPARISON.fullmatch(part.strip()):
                    raise written.error(table, number, key, f"{part.strip()!r} is not a comparison like <2.3.0")
            # An operator under test has no row, and may have known breaks.
            if table == "known" and is_release(pattern) and not (pattern == UNDER_TEST or is_prerelease(pattern)):
                _release(written, table, number, pattern, release)
    if isinstance(row, KnownRow):
        for said in (row.says, *(it.says for it in row.also)):
            try:
                re.compile(said)
            except re.error as broken:
                raise written.error(
                    table, number, "says", f"{said!r} is not a valid regular expression: {broken}"
                ) from broken
