# SPDX-License-Identifier: Apache-2.0
"""The rows of a user's own catalogue that a cell needs, for its lock: it can then be run where the folders are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.kube import pull_messages
from harness.matrix.catalogue import Catalogue
from harness.matrix.edges import EdgeRow
from harness.matrix.known_rows import INSTALLED, KnownRow
from harness.matrix.model import Cell, Path
from harness.matrix.path_names import ways_of
from harness.run.lock import LockedRow
from harness.toml_merge import Merged

_EDGES = {"edge": "upgrade", "rollback": "rollback"}
_NEVER = ("tier", "exclude", "note", "profiled")
"""What these say only decides which cells there are, or is told without a run."""


def locked(catalogue: Catalogue, cell: Cell) -> tuple[LockedRow, ...]:
    """The rows, without what is in them about other cells."""
    return tuple(_of_the_cell(catalogue, cell))


def _of_the_cell(catalogue: Catalogue, cell: Cell) -> Iterator[LockedRow]:
    for file, written in {**catalogue.written, "pull-messages": pull_messages.source()}.items():
        for table, row in written.own() if isinstance(written, Merged) else ():
            values = _needed(catalogue, cell, table, row.values)
            if values is not None:
                # What another row is replaced by keeps the names by which that one is found.
                whole = row.replaces and table == "known"
                yield LockedRow(
                    file=file, table=table, values=dict(row.values if whole else values), replaces=row.replaces
                )


def _needed(catalogue: Catalogue, cell: Cell, table: str, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The row as far as the cell needs it; None for one that is about others."""
    path = cell.path
    if table in _NEVER:
        return None
    if table in _EDGES:
        return _edge(path, table, row)
    if table == "known":
        return _known(path, row)
    releases = [catalogue.release(name) for name in path.releases]
    wanted: Mapping[str, tuple[str, list[str]]] = {
        "environment": ("name", [cell.environment.base]),
        "property": ("name", list(cell.environment.properties)),
        "release": ("version", [it.version for it in releases]),
        "relocation": ("host", [it.registry for it in releases if it.relocated]),
    }
    if table in wanted:
        key, names = wanted[table]
        return row if row[key] in names else None
    if table == "chain":
        return row if tuple(row["releases"]) == path.releases else None
    return row


def _edge(path: Path, table: str, values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The one path of a row of edges."""
    row = EdgeRow.model_validate(dict(values))
    # A rollback's row begins with the newer release, which its path installs last.
    ends = path.releases if table == "edge" else path.releases[::-1]
    if path.kind != _EDGES[table] or len(ends) != 2 or ends[0] not in row.origins or ends[1] not in row.targets:
        return None
    ways = {ways_of(it, len(path.moves) + 1): it for it in row.ways}
    if path.crds not in row.crds or path.values not in row.values or path.ways not in ways:
        return None
    own = {"ways": [ways[path.ways]]} if path.ways else {}
    return {**values, "from": [ends[0]], "to": [ends[1]], "crds": [path.crds], "values": [path.values], **own}


def _known(path: Path, values: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A known break with the releases of the path alone: others may be unknown elsewhere."""
    known = KnownRow.model_validate(dict(values))
    moves = [move for move in path.moves if known.about(move, path.crds, path.values)]
    begun = path.kind == "install" or known.check == INSTALLED
    installed = [path.releases[0]] if begun and known.about_install(path.releases[0], path.way()) else []
    if not (moves or installed):
        return None
    ends = {"from": [move.origin for move in moves] or ["*"], "to": [*installed, *(move.target for move in moves)]}
    return {**values, **{key: list(dict.fromkeys(names)) for key, names in ends.items()}}
