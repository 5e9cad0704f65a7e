# SPDX-License-Identifier: Apache-2.0
"""What the shipped results have in common that say of each scenario whether it held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from harness.matrix.rows import Model
from harness.toml_source import TomlSource

Outcome = Literal["passed", "known", "broken"]

WORDS: Mapping[Outcome, str] = {"passed": "passed", "known": "known break", "broken": "**broken**"}
"""How tables say it."""


class Outcomes(Model):
    """A row whose fields `passed`, `known` and `broken` name scenarios: everything held; what broke is a known break;
    something else broke.
    """

    @property
    def outcomes(self) -> Iterator[tuple[str, Outcome]]:
        """Each scenario with what came of it."""
        for outcome in WORDS:
            yield from ((name, outcome) for name in getattr(self, outcome))


def require_outcomes(source: TomlSource, rows: Sequence[Outcomes]) -> None:
    """Raise CatalogueError for a row `[[result]]` without a scenario, or with one twice."""
    for number, row in enumerate(rows):
        names = [name for name, _ in row.outcomes]
        if not names or len(names) != len(set(names)):
            raise source.error("result", number, "passed", "each scenario belongs into one of passed, known and broken")
