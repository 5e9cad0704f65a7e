# SPDX-License-Identifier: Apache-2.0
"""How many processors each kind of work takes: clusters/processors.toml."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from pathlib import Path

from pydantic import Field

from harness.matrix.model import Cell
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "clusters" / "processors.toml"


class Costs(Model):
    """Processors by kind of work; the file says what each stands for."""

    install: float = Field(gt=0)
    scenario: float = Field(gt=0)
    path: float = Field(gt=0)
    path_with_applications: float = Field(gt=0)

    def of(self, cells: Sequence[Cell], watched: Collection[str]) -> float:
        """What these cells take, which share a cluster, from its creation to its removal.

        `watched` are the applications along their path. A scenario can ask for more on a path with moves.
        """
        if not cells[0].path.moves:
            return self.install
        along = self.path_with_applications if watched else self.path
        return max(along, *(float(cell.scenario.needs.places) for cell in cells))

    def beside(self, processors: float, most: int) -> int:
        """How many scenarios can run at a time on one cluster of an install that has these processors, at most."""
        left = max(0, thousandths(processors) - thousandths(self.install))
        return max(1, min(most, 1 + left // thousandths(self.scenario)))


def thousandths(processors: float) -> int:
    """Thousandths of a processor, which add up exactly; Kubernetes counts in them, too (`660m`)."""
    return round(processors * 1000)


@functools.cache
def costs(file: Path = FILE) -> Costs:
    """The project's. Raises CatalogueError."""
    return TomlSource.read(file).validated(Costs)
