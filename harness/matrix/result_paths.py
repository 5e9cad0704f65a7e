# SPDX-License-Identifier: Apache-2.0
"""What the shipped results have in common that are about paths."""

from __future__ import annotations

from collections.abc import Sequence

from harness.matrix import path_names
from harness.matrix.path_names import Parsed
from harness.matrix.rows import Model
from harness.toml_source import TomlSource


class PathRow(Model):
    """A row about a path, by its name."""

    path: str

    @property
    def parsed(self) -> Parsed:
        """The path in its parts."""
        found = path_names.parse(self.path)
        if found is None:
            raise ValueError(f"{self.path!r} is not the name of a path")
        return found


def require_paths(source: TomlSource, rows: Sequence[PathRow]) -> None:
    """Raise CatalogueError for a row `[[result]]` whose path's name is none."""
    for number, row in enumerate(rows):
        if path_names.parse(row.path) is None:
            raise source.error("result", number, "path", f"{row.path!r} is not the name of a path")
