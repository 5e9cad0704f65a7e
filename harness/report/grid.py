# SPDX-License-Identifier: Apache-2.0
"""The matrix of a run as tables: environments and paths as rows, scenarios as columns, a tile for each cell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.report.model import CellResult, RunResult
from harness.verdicts import Verdict


@dataclass(frozen=True, kw_only=True)
class Tile:
    """A cell in the table with all of its attempts; without attempts, it was selected but has no result."""

    cell_id: str
    scenario: str
    attempts: tuple[CellResult, ...] = ()

    @property
    def worst(self) -> CellResult | None:
        """The attempt that the tile shows."""
        return max(self.attempts, key=lambda cell: cell.verdict.severity, default=None)

    @property
    def word(self) -> str:
        """The verdict; of several attempts the worst, and how many of them have it."""
        worst = self.worst
        if worst is None:
            return "no result"
        same = sum(cell.verdict is worst.verdict for cell in self.attempts)
        return worst.verdict.value if len(self.attempts) == 1 else f"{worst.verdict}, {same} of {len(self.attempts)}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One environment and path. `tiles` has an entry for each column, None where there is no such cell."""

    environment: str
    path: str
    tiles: tuple[Tile | None, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows that share scenarios, by environment, and the scenarios that are the columns."""

    scenarios: tuple[str, ...]
    environments: Mapping[str, tuple[Row, ...]]

    @property
    def path(self) -> str:
        """The path of all rows, empty when they differ."""
        paths = {row.path for rows in self.environments.values() for row in rows}
        return paths.pop() if len(paths) == 1 else ""


def tables(run: RunResult) -> tuple[Table, ...]:
    """The tables, in the order of the cells. Rows without a common scenario are in separate tables: few empty tiles."""
    attempts: dict[str, list[CellResult]] = {name: [] for name in run.planned}
    for cell in run.cells:
        attempts.setdefault(cell.id, []).append(cell)
    rows: dict[tuple[str, str], dict[str, Tile]] = {}
    for cell_id, found in attempts.items():
        environment, path, scenario = _parts(cell_id, found)
        tile = Tile(cell_id=cell_id, scenario=scenario, attempts=tuple(found))
        rows.setdefault((environment, path), {})[scenario] = tile
    return tuple(_table(family) for family in _families(rows))


def _parts(cell_id: str, attempts: Iterable[CellResult]) -> tuple[str, str, str]:
    for cell in attempts:
        return cell.environment, cell.path, cell.scenario
    group, _, scenario = cell_id.rpartition("/")
    environment, _, path = group.partition("/")
    return environment, path, scenario


_Rows = dict[tuple[str, str], dict[str, Tile]]


def _families(rows: _Rows) -> list[_Rows]:
    """The rows, partitioned so that no scenario is in two parts."""
    families: list[tuple[set[str], _Rows]] = []
    for key, tiles in rows.items():
        related = [family for family in families if family[0] & tiles.keys()]
        scenarios: set[str] = set(tiles).union(*(family[0] for family in related))
        together = {name: it for family in related for name, it in family[1].items()} | {key: tiles}
        place = next((number for number, family in enumerate(families) if family in related), len(families))
        families = [family for family in families if family not in related]
        families.insert(place, (scenarios, together))
    return [family for _, family in families]


def _table(rows: _Rows) -> Table:
    scenarios = tuple(dict.fromkeys(name for tiles in rows.values() for name in tiles))
    environments: dict[str, list[Row]] = {}
    for (environment, path), tiles in rows.items():
        row = Row(environment=environment, path=path, tiles=tuple(map(tiles.get, scenarios)))
        environments.setdefault(environment, []).append(row)
    return Table(scenarios=scenarios, environments={name: tuple(some) for name, some in environments.items()})


def counts(run: RunResult) -> dict[str, int]:
    """The number of cells with each verdict, the best first, for a bar; cells without a result come last."""
    found = {verdict.value: run.counts[verdict] for verdict in Verdict if verdict in run.counts}
    return {**found, "no result": len(run.missing)} if run.missing else found
