# SPDX-License-Identifier: Apache-2.0
"""charts/spark-results.toml: which applications of which Spark ran under which operator, each proved by a run.

`python -m harness.stories.page` writes its table into docs/spark.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from harness.matrix import expand, sparks
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Scenario
from harness.matrix.outcomes import WORDS, Outcome, Outcomes, require_outcomes
from harness.matrix.versions import numbers
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "charts" / "spark-results.toml"

_NOT_RUN = "not run"
_NO_CELL = "–"


class SparkResult(Outcomes):
    """`[[result]]`: what one run showed of applications of one Spark under one operator."""

    operator: str
    spark: str


def read(written: TomlSource | None = None) -> tuple[SparkResult, ...]:
    """The rows of the file. Raises CatalogueError with file, line and key, also for a row without a scenario."""
    source = written or TomlSource.read(FILE)
    source.require_only("result")
    rows = source.rows("result", SparkResult)
    require_outcomes(source, rows)
    return rows


def table(rows: Sequence[SparkResult], catalogue: Catalogue, scenarios: Iterable[Scenario]) -> str:
    """A row for each operator that has any result, and each scenario that can run on several Spark versions.

    Of two results for the same, the later one of the file counts. What no cell of the environments in the file can be
    is told as such.
    """
    offered = [it for it in scenarios if it.sparks]
    versions = sparks.versions(offered)
    found = {(row.operator, name, row.spark): outcome for row in rows for name, outcome in row.outcomes}
    operators = {row.operator: row.environment for row in rows}
    lines = [
        f"| operator, its own Spark | application | {' | '.join(versions)} |",
        f"| --- | --- | {' | '.join('---' for _ in versions)} |",
    ]
    for operator in sorted(operators, key=numbers):
        release, environment = catalogue.release(operator), catalogue.environment(operators[operator])
        path = expand.install_path(catalogue, release)
        for scenario in offered:
            cells = [expand.cell(environment, path, sparks.on(scenario, version)) for version in versions]
            told = [
                _NO_CELL if catalogue.rules.left_out(it, [release]) else _told(found, operator, it.scenario)
                for it in cells
            ]
            lines.append(f"| {operator}, {release.spark} | `{scenario.name}` | {' | '.join(told)} |")
    return "\n".join(lines) + "\n"


def _told(found: Mapping[tuple[str, str, str], Outcome], operator: str, scenario: Scenario) -> str:
    outcome = found.get((operator, scenario.base, scenario.spark))
    return WORDS[outcome] if outcome else _NOT_RUN
