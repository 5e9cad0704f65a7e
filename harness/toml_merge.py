# SPDX-License-Identifier: Apache-2.0
"""A TOML file of the project with a user's own rows merged over it; each mistake still names its own file and line.

A row with the id of another one takes its place only where it says `replaces = true`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.errors import CatalogueError
from harness.toml_source import Location, TomlSource

REPLACES = "replaces"
"""The key of a user's row that takes the place of another one."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """The rows of one name in a file. `keys` are the keys that make the id of a row; without any, rows add up.

    `decided_later` are tables whose ids are known only when they are read. With `own_first`, a user's rows stand before
    those of the project, where the first one that fits counts.
    """

    name: str
    keys: tuple[str, ...] = ()
    decided_later: bool = False
    own_first: bool = False

    def id_of(self, values: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The id of a row; None where rows of this table have none."""
        return tuple(repr(values.get(key)) for key in self.keys) if self.keys else None


@dataclass(frozen=True, kw_only=True)
class Given(TomlSource):
    """Rows that are in no file of this machine, such as those of a lock. What they replace may be missing here."""

    rows_of: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    name: str = "the lock"

    @property
    def data(self) -> Mapping[str, Any]:
        """The rows by table."""
        return {table: list(rows) for table, rows in self.rows_of.items()}

    def where(self, location: Location) -> str:
        """The place for an error message: table, row, key."""
        table, *others = location
        number = next((it for it in others if isinstance(it, int)), 0)
        keys = ".".join(it for it in others if isinstance(it, str))
        return f"{self.name}: [[{table}]] {number + 1} of {self.file.name}: " + (f"key {keys}: " if keys else "")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row, the file that it is in, and its number there."""

    source: TomlSource
    number: int
    values: Mapping[str, Any]
    own: bool = False
    replaces: bool = False


@dataclass(frozen=True, kw_only=True)
class Merged(TomlSource):
    """The file of the project, whose name and text it has, with the rows of others in its tables."""

    tables_of: Mapping[str, tuple[Row, ...]]

    @property
    def data(self) -> Mapping[str, Any]:
        """The content, without the keys that say what replaces what."""
        return {**super().data, **{name: [row.values for row in rows] for name, rows in self.tables_of.items()}}

    def where(self, location: Location) -> str:
        """The place for an error message: file, line, key."""
        table, number = (*location, "", "")[:2]
        if isinstance(number, int) and table in self.tables_of and number < len(self.tables_of[str(table)]):
            row = self.tables_of[str(table)][number]
            return row.source.where((table, row.number, *location[2:]))
        return super().where(location)

    def replaces(self, table: str, row: int) -> bool:
        """Whether a row says that it takes the place of another one."""
        return self.tables_of[table][row].replaces if table in self.tables_of else False

    def is_own(self, table: str, row: int) -> bool:
        """Whether a row is a user's."""
        return self.tables_of[table][row].own if table in self.tables_of else False

    @property
    def has_own(self) -> bool:
        """Whether a user's rows are among these."""
        return any(True for _ in self.own())

    def own(self) -> Iterator[tuple[str, Row]]:
        """The rows that are a user's own, each with its table."""
        for name, rows in self.tables_of.items():
            yield from ((name, row) for row in rows if row.own)


def merged(shipped: TomlSource, own: Sequence[TomlSource], tables: Sequence[Table]) -> TomlSource:
    """The file with a user's rows, later files over earlier ones; the file itself where there are none.

    Raises CatalogueError with file, line and key: for tables that are none of these, for a row with the id of another
    one that does not replace it, and for one that replaces nothing.
    """
    if not own:
        return shipped
    found = {
        table.name: [Row(source=shipped, number=number, values=values) for number, values in _rows(shipped, table)]
        for table in tables
    }
    for source in own:
        source.require_only(*(table.name for table in tables))
        for table in tables:
            added = [_own_row(source, table, number, values) for number, values in _rows(source, table)]
            found[table.name] = _with(found[table.name], added, table)
    return Merged(
        file=shipped.file,
        text=shipped.text,
        tables_of={name: tuple(rows) for name, rows in found.items() if rows or name in shipped.data},
    )


def _rows(source: TomlSource, table: Table) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = source.data.get(table.name, [])
    if not isinstance(rows, list):
        raise source.error(table.name, 0, "", f"this table has rows: write [[{table.name}]]")
    for number, values in enumerate(rows):
        if not isinstance(values, Mapping):
            raise source.error(table.name, number, "", f"this is not a table: write [[{table.name}]]")
        yield number, values


def _own_row(source: TomlSource, table: Table, number: int, values: Mapping[str, Any]) -> Row:
    replaces = values.get(REPLACES, False)
    if not isinstance(replaces, bool):
        raise source.error(table.name, number, REPLACES, f"it is true or false, not {replaces!r}")
    if replaces and not (table.keys or table.decided_later):
        raise source.error(table.name, number, REPLACES, f"[[{table.name}]] rows add up; none takes another's place")
    rest = {key: value for key, value in values.items() if key != REPLACES}
    return Row(source=source, number=number, values=rest, own=True, replaces=replaces)


def _with(rows: list[Row], added: Sequence[Row], table: Table) -> list[Row]:
    new: list[Row] = []
    for row in added:
        row_id = table.id_of(row.values)
        same = next((at for at, it in enumerate(rows) if row_id is not None and table.id_of(it.values) == row_id), None)
        if same is not None and not row.replaces:
            raise _doubled(row, rows[same], table)
        if same is not None:
            rows[same] = row
        elif row.replaces and table.keys and not isinstance(row.source, Given):
            raise row.source.error(
                table.name,
                row.number,
                REPLACES,
                f"there is no row with {_shown(table, row)} that it could replace",
                f"correct {table.keys[0]}, or leave out {REPLACES}",
            )
        else:
            new.append(row)
    return [*new, *rows] if table.own_first else [*rows, *new]


def _doubled(row: Row, other: Row, table: Table) -> CatalogueError:
    place = other.source.where((table.name, other.number)).partition(": key")[0]
    return row.source.error(
        table.name,
        row.number,
        table.keys[0],
        f"a row with {_shown(table, row)} is in {place}",
        f"write {REPLACES} = true in this row to use it in the place of that one, or give it another {table.keys[0]}",
    )


def _shown(table: Table, row: Row) -> str:
    return ", ".join(f"{key} = {row.values[key]!r}" for key in table.keys if key in row.values)


@dataclass(frozen=True, kw_only=True)
class Named(TomlSource):
    """A user's file with a `[table]` for each name, without the keys that say what replaces what."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The tables."""
        return {
            name: {key: value for key, value in values.items() if key != REPLACES}
            if isinstance(values, dict)
            else values
            for name, values in super().data.items()
        }

    def check_names(self, known: Collection[str]) -> None:
        """Raise CatalogueError for a table of a known name that does not replace it, and for one that replaces none."""
        for name, values in super().data.items():
            replaces = values.get(REPLACES, False) if isinstance(values, dict) else False
            if not isinstance(replaces, bool):
                raise self.error(name, 0, REPLACES, f"it is true or false, not {replaces!r}")
            if name in known and not replaces:
                raise self.error(
                    name, 0, "", "there is a table of this name already", f"write {REPLACES} = true in it, or rename it"
                )
            if replaces and name not in known:
                raise self.error(name, 0, REPLACES, "there is no table of this name that it could replace")
