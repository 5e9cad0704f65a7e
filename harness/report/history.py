# SPDX-License-Identifier: Apache-2.0
"""How long cells took on this machine: recorded in green runs, used to estimate the next one."""

from __future__ import annotations

import logging
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.late import filelock
from harness.matrix.estimate import Learnt, pass_name
from harness.report.files import write_atomically

if TYPE_CHECKING:
    from harness.report.model import CellResult

log = logging.getLogger(__name__)

KEPT = 10
"""The number of durations that are kept for each."""


_SHARED = ("cluster-", "install-", "path-")
"""Prefixes of the phases that the cells of a cluster share."""


class _Durations(BaseModel):
    """`cells` are whole cells by id, with their cluster; `own` is the same without it, `shared` the rest by pass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cells: dict[str, list[float]]
    own: dict[str, list[float]] = Field(default_factory=dict)
    shared: dict[str, list[float]] = Field(default_factory=dict)


class History:
    """Durations in seconds, in one JSON file (`<cache>/history.json`). Safe under concurrent runs."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def record(self, results: Iterable[CellResult]) -> None:
        """Record finished cells, except those that did not pass: they end early, or at a timeout."""
        # Late, since harness matrix reads what was learnt and needs no results for that.
        from harness.report.model import GREEN

        learnt = [cell for cell in results if cell.verdict in GREEN and cell.phases]
        if not learnt:
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{self.file}.lock"):
            durations = self._read()
            clusters: dict[tuple[str, int], float] = {}
            for cell in learnt:
                shared = sum(seconds for name, seconds in cell.phases.items() if name.startswith(_SHARED))
                _append(durations.cells, cell.id, cell.seconds)
                _append(durations.own, cell.id, round(sum(cell.phases.values()) - shared, 1))
                if shared:
                    name = pass_name(f"{cell.environment}/{cell.path}", cell.watched)
                    clusters[name, cell.attempt] = round(shared, 1)
            for (name, _), seconds in clusters.items():
                _append(durations.shared, name, seconds)
            write_atomically(self.file, durations.model_dump_json(indent=1) + "\n")

    def learnt(self) -> Learnt:
        """The medians of the last ten durations.

        For a cell recorded by a version that did not separate shared phases, the rest of its duration counts.
        """
        durations = self._read()
        shared = _medians(durations.shared)
        own = _medians(durations.own)
        for name, seconds in _medians(durations.cells).items():
            group = name.rpartition("/")[0]
            if name not in own and group in shared:
                own[name] = max(1.0, seconds - shared[group])
        return Learnt(own=own, shared=shared)

    def _read(self) -> _Durations:
        try:
            return _Durations.model_validate_json(self.file.read_text())
        except FileNotFoundError:
            return _Durations(cells={})
        except (ValidationError, UnicodeDecodeError) as broken:
            # What was learnt can be learnt again; a run must not fail for it.
            log.warning("%s is unreadable and is started afresh: %s", self.file, broken)
            return _Durations(cells={})


def _append(durations: dict[str, list[float]], name: str, seconds: float) -> None:
    durations[name] = [*durations.get(name, []), seconds][-KEPT:]


def _medians(durations: Mapping[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(seconds) for name, seconds in durations.items() if seconds}
