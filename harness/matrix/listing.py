# SPDX-License-Identifier: Apache-2.0
"""The matrix as people and as CI read it: a table, and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.table import Table

from harness.matrix.model import Cell


def expected_minutes(cell: Cell, seconds: Mapping[str, float]) -> float | None:
    """Minutes, to a tenth, that this cell has taken before; None when it never ran here."""
    known = seconds.get(cell.id)
    return None if known is None else round(known / 60, 1)


def table(cells: Sequence[Cell], seconds: Mapping[str, float], unavailable: Mapping[str, str] | None = None) -> Table:
    """A table of cells. `seconds` are learnt durations by cell id, `unavailable` reasons by cell id."""
    reasons = unavailable or {}
    shown = Table(title=f"{len(cells)} cells", title_justify="left", pad_edge=False)
    for column in ("environment", "path", "scenario", "tags"):
        shown.add_column(column, overflow="fold")
    shown.add_column("minutes", justify="right")
    if reasons:
        shown.add_column("unavailable", overflow="fold")
    previous = ""
    for cell in cells:
        if previous and cell.group != previous:
            shown.add_section()
        previous = cell.group
        minutes = expected_minutes(cell, seconds)
        row = [
            cell.environment.name,
            cell.path.name,
            cell.scenario.name,
            " ".join(cell.tags),
            "–" if minutes is None else f"{minutes:.1f}",
        ]
        shown.add_row(*row, *([reasons.get(cell.id, "")] if reasons else []))
    return shown


def as_json(cells: Sequence[Cell], seconds: Mapping[str, float]) -> str:
    """One line of JSON, an array that a CI matrix can read; `expected_minutes` is null for what never ran here."""
    return json.dumps(
        [
            {
                "id": cell.id,
                "environment": cell.environment.name,
                "path": cell.path.name,
                "scenario": cell.scenario.name,
                "tags": list(cell.tags),
                "expected_minutes": expected_minutes(cell, seconds),
            }
            for cell in cells
        ]
    )
