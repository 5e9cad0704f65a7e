# SPDX-License-Identifier: Apache-2.0
"""What the shipped results have in common that say of each scenario whether it held."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from harness.matrix.rows import Model
from harness.toml_source import TomlSource
from harness.untrusted import OptionalDigest

Outcome = Literal["passed", "known", "broken"]

WORDS: Mapping[Outcome, str] = {"passed": "passed", "known": "known break", "broken": "**broken**"}
"""How tables say it."""


class Outcomes(Model):
    """What one run showed in one environment: `passed`, `known` and `broken` name scenarios of which everything held,
    of which what broke is a known break, and of which something else broke.

    `digest` is that of the run's results.json.
    """

    environment: str
    recorded: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    source: str = Field(min_length=1)
    digest: OptionalDigest = ""
    passed: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()

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
            raise source.error("result", number, "passed", "each scenario belongs in one of passed, known and broken")
