# SPDX-License-Identifier: Apache-2.0
"""How long cells took on this machine: learnt from green runs, used to say how long the next one will take."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from harness.report.files import write_atomically
from harness.report.model import GREEN, CellResult, Model

log = logging.getLogger(__name__)

KEPT = 10
"""So many durations of a cell are remembered."""


class _Durations(Model):
    cells: dict[str, list[float]]


class History:
    """Durations by cell id, in seconds, in one JSON file (`<cache>/history.json`). Safe under concurrent runs."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def record(self, results: Iterable[CellResult]) -> None:
        """Learn from finished cells. Cells that did not pass are left out: they end early, or at a timeout."""
        learnt = [(cell.id, cell.seconds) for cell in results if cell.verdict in GREEN and cell.phases]
        if not learnt:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.file}.lock"):
            cells = self._read()
            for cell_id, seconds in learnt:
                cells[cell_id] = [*cells.get(cell_id, []), seconds][-KEPT:]
            write_atomically(self.file, _Durations(cells=cells).model_dump_json(indent=1) + "\n")

    def expected(self) -> dict[str, float]:
        """The median of the last ten durations of each cell, in seconds."""
        return {cell_id: statistics.median(seconds) for cell_id, seconds in self._read().items() if seconds}

    def _read(self) -> dict[str, list[float]]:
        try:
            return _Durations.model_validate_json(self.file.read_text()).cells
        except FileNotFoundError:
            return {}
        except (ValidationError, UnicodeDecodeError) as broken:
            # What was learnt can be learnt again; a run must not fail for it.
            log.warning("%s is unreadable and is begun anew: %s", self.file, broken)
            return {}
