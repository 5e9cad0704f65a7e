# SPDX-License-Identifier: Apache-2.0
"""Shipped results that say of each scenario of a path in one environment whether it held."""

from __future__ import annotations

from harness.matrix.outcomes import Outcomes, require_outcomes
from harness.matrix.result_paths import PathRow, require_paths
from harness.toml_source import TomlSource


class PathOutcomes(Outcomes, PathRow):
    """`[[result]]`: what one run showed of a path in one environment."""


def read(source: TomlSource) -> tuple[PathOutcomes, ...]:
    """The rows of a file of them. Raises CatalogueError with file, line and key for one without scenario or path."""
    source.require_only("result")
    rows = source.rows("result", PathOutcomes)
    require_outcomes(source, rows)
    require_paths(source, rows)
    return rows
