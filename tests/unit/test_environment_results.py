# SPDX-License-Identifier: Apache-2.0
"""What runs showed of environments: rows from reports, and the table of the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from report_samples import result, run

from harness.errors import CatalogueError, UsageError
from harness.matrix import catalogue, environment_results
from harness.matrix.path_outcomes import PathOutcomes
from harness.report import ship
from harness.report.model import CellResult, RunResult
from harness.report.writer import RESULTS
from harness.stories import page
from harness.toml_source import TomlSource
from harness.verdicts import Verdict

REAL = catalogue.load()


def row(environment: str, path: str = "install-2.5.2", **outcomes: tuple[str, ...]) -> PathOutcomes:
    facts = {"environment": environment, "path": path, "recorded": "2026-11-30", "source": "a run", **outcomes}
    return PathOutcomes.model_validate(facts)


def test_the_table_of_the_page_is_the_one_of_the_file() -> None:
    text = page.ENVIRONMENTS_PAGE.read_text()
    assert page.with_environments(text) == text
    assert environment_results.table(environment_results.read(), REAL) in text


def test_the_table_has_what_ran_and_says_what_did_not() -> None:
    rows = [
        row("kind-1.34-3n", passed=("spark-pi",)),
        row("kind-1.34", passed=("spark-pi", "ttl")),
        row("kind-1.34-3n", "upgrade-2.4.0-2.5.2+crds=apply", broken=("schedules",), known=("submissions",)),
        row("kind-1.34-3n", broken=("spark-pi",)),
        row("kind-1.34-3n", passed=("spark-pi",)),
    ]
    lines = environment_results.table(rows, REAL).splitlines()[2:]
    assert lines[0] == (
        "| none | as the provider has it | `kind-1.34` | passed: `spark-pi`, `ttl` on `install-2.5.2` | not run |"
    )
    assert lines[1].endswith(
        "| passed: `spark-pi` on `install-2.5.2` | **broken**: `schedules` on `upgrade-2.4.0-2.5.2+crds=apply`; "
        "known break: `submissions` on `upgrade-2.4.0-2.5.2+crds=apply` |"
    )
    others = [it.name for it in REAL.properties.rows if it.name != "3n"]
    assert [line.split("`")[1] for line in lines[2:]] == others
    assert all(line.endswith("| – | not run | not run |") or "cannot be had" in line for line in lines[2:])


def test_of_many_scenarios_that_held_the_table_has_the_number_and_of_others_the_names() -> None:
    many = ("config-map", "pyspark-pi", "retry", "spark-pi", "ttl")
    cell = environment_results.table([row("kind-1.34", passed=many, known=("spark-connect",))], REAL).splitlines()[2]
    assert "| known break: `spark-connect` on `install-2.5.2`; passed: 5 scenarios on `install-2.5.2` |" in cell


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('path = "install-2.5.2"\n', "passed, known and broken"),
        ('path = "2.5.2"\npassed = ["spark-pi"]\n', "not the name of a path"),
        ('path = "install-2.5.2"\npassed = ["a"]\nbroken = ["a"]\n', "passed, known and broken"),
    ],
)
def test_a_row_that_makes_no_sense_is_told_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "results.toml"
    file.write_text(f'[[result]]\nenvironment = "kind-1.34"\nrecorded = "2026-11-30"\nsource = "x"\n{text}')
    with pytest.raises(CatalogueError, match=says):
        environment_results.read(TomlSource.read(file))


def cell(name: str, verdict: Verdict) -> CellResult:
    environment, path, scenario = name.split("/")
    changes = {"id": name, "environment": environment, "path": path, "scenario": scenario, "verdict": verdict}
    return result("spark-pi").model_copy(update=changes)


def report(*cells: CellResult) -> RunResult:
    return run().model_copy(update={"cells": cells})


def test_rows_are_printed_from_a_report(tmp_path: Path) -> None:
    text = report(
        cell("kind-1.34-3n/install-2.5.2/spark-pi", Verdict.PASSED),
        cell("kind-1.34-3n/install-2.5.2/ttl", Verdict.ERROR),
        cell("kind-1.34-domain/install-2.5.2/spark-pi", Verdict.FAILED),
    )
    (tmp_path / RESULTS).write_text(text.model_dump_json())
    made = ship.path_rows(ship.kept(tmp_path, "run x"))
    assert [(it.environment, it.passed, it.broken) for it in made] == [
        ("kind-1.34-3n", ("spark-pi",), ()),
        ("kind-1.34-domain", (), ("spark-pi",)),
    ]
    assert 'environment = "kind-1.34-3n"\n' in ship.toml(made)


def test_a_report_that_proves_nothing_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(report(cell("kind-1.34/install-2.5.2/ttl", Verdict.ERROR)).model_dump_json())
    with pytest.raises(UsageError, match="no cell with a verdict"):
        ship.path_rows(ship.kept(tmp_path, "run x"))
