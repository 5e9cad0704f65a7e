# SPDX-License-Identifier: Apache-2.0
"""The tables about scenarios in the documentation: `python -m harness.stories.page` writes them.

Those of docs/scenarios.md are their summaries, that of docs/spark.md is what charts/spark-results.toml has of them, and
that of docs/environments.md what charts/environment-results.toml has. Those of docs/ways.md are of
charts/way-results.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from harness import home, stories
from harness.matrix import catalogue, environment_results, spark_results, way_results
from harness.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "scenarios.md"
SPARK_PAGE = PROJECT_ROOT / "docs" / "spark.md"
ENVIRONMENTS_PAGE = PROJECT_ROOT / "docs" / "environments.md"
WAYS_PAGE = PROJECT_ROOT / "docs" / "ways.md"

_TABLE = re.compile(r"<!-- scenarios: (?P<story>[\w-]+) -->\n\n(?P<head>\|.*\|\n\|.*\|\n)(?P<rows>(?:\|.*\|\n)*)")
"""A table under the name of its story. Its head is written by hand."""
_RESULTS = re.compile(r"(<!-- begin: spark results -->\n).*?(<!-- end -->)", re.S)
_BY_WAY = re.compile(r"(<!-- begin: way results -->\n).*?(<!-- end -->)", re.S)
_BY_ENVIRONMENT = re.compile(r"(<!-- begin: environment results -->\n).*?(<!-- end -->)", re.S)


def written(text: str) -> str:
    """The page with the rows of each table as they should be."""
    rows = _rows()

    def table(found: re.Match[str]) -> str:
        return f"<!-- scenarios: {found['story']} -->\n\n{found['head']}{rows.get(found['story'], '')}"

    return _TABLE.sub(table, text)


def with_results(text: str) -> str:
    """The page of Spark versions with the table as it should be."""
    table = spark_results.table(spark_results.read(), catalogue.load(), stories.scenarios().values())
    return _RESULTS.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


def with_environments(text: str) -> str:
    """The page of environments with the table as it should be."""
    table = environment_results.table(environment_results.read(), catalogue.load())
    return _BY_ENVIRONMENT.sub(lambda found: f"{found[1]}{table}{found[2]}", text)


def with_ways(text: str) -> str:
    """The page of ways with the tables as they should be."""
    tables = way_results.tables(way_results.read(), catalogue.load())
    return _BY_WAY.sub(lambda found: f"{found[1]}{tables}{found[2]}", text)


def write(
    page: Path = PAGE,
    spark_page: Path = SPARK_PAGE,
    environments: Path = ENVIRONMENTS_PAGE,
    ways: Path = WAYS_PAGE,
) -> None:
    """Write the tables anew."""
    ways.write_text(with_ways(ways.read_text()))
    environments.write_text(with_environments(environments.read_text()))
    page.write_text(written(page.read_text()))
    spark_page.write_text(with_results(spark_page.read_text()))


def _rows() -> Mapping[str, str]:
    """The rows by the names of the stories, in alphabetical order."""
    found: dict[str, str] = {}
    for name, scenario in stories.scenarios().items():
        found[scenario.story] = f"{found.get(scenario.story, '')}| `{name}` | {scenario.summary} |\n"
    return found


if __name__ == "__main__":
    home.require_checkout("harness.stories.page")
    write()
