# SPDX-License-Identifier: Apache-2.0
"""What runs showed of Spark versions under operators: rows from reports, and the table of the documentation."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from report_samples import run

from harness import stories
from harness.errors import CatalogueError
from harness.matrix import catalogue, spark_results
from harness.matrix.model import Scenario
from harness.report import ship
from harness.report.model import CellResult, OperatorResult
from harness.report.writer import RESULTS
from harness.stories import page
from harness.toml_source import TomlSource
from harness.verdicts import Verdict

REAL = catalogue.load()
IMAGES = {"3.5.9": "a", "4.0.4": "b", "4.3.0": "c"}
SCENARIOS = [
    Scenario(name="spark-connect", summary="", spark="4.0.4", sparks=IMAGES, needs_crds=REAL.release("2.5.2").crds),
    Scenario(name="spark-pi", summary="", spark="4.0.4", sparks=IMAGES),
    Scenario(name="ttl", summary=""),
]
ROW = """\
[[result]]
operator = "2.5.2"
spark = "4.3.0"
environment = "kind-1.34"
recorded = "2026-11-30"
source = "a run"
"""


def test_the_table_of_the_page_is_the_one_of_the_file() -> None:
    text = page.SPARK_PAGE.read_text()
    assert page.with_results(text) == text, "run python -m harness.stories.page"


def test_every_shipped_result_is_of_something_that_there_is() -> None:
    offered = {it.name: it for it in stories.scenarios().values() if it.sparks}
    rows = spark_results.read()
    assert rows
    for row in rows:
        REAL.release(row.operator)
        assert all(row.spark in offered[name].sparks for name, _ in row.outcomes)


@pytest.mark.parametrize("more", ["", 'passed = ["spark-pi"]\nbroken = ["spark-pi"]\n', 'shown = ["spark-pi"]\n'])
def test_a_row_says_of_each_scenario_one_thing(more: str) -> None:
    with pytest.raises(CatalogueError):
        spark_results.read(TomlSource(text=ROW + more))


def test_the_table_has_what_ran_what_did_not_and_what_cannot() -> None:
    older = ROW.replace("2.5.2", "2.2.1").replace("4.3.0", "3.5.9") + 'passed = ["spark-pi"]\n'
    first = ROW + 'passed = ["spark-connect"]\n'
    later = ROW + 'known = ["spark-connect"]\nbroken = ["spark-pi"]\n'
    rows = spark_results.read(TomlSource(text=first + older + later))
    assert spark_results.table(rows, REAL, SCENARIOS).splitlines()[2:] == [
        "| 2.2.1, 3.5.5 | `spark-connect` | – | – | – |",
        "| 2.2.1, 3.5.5 | `spark-pi` | passed | not run | not run |",
        "| 2.5.2, 4.0.4 | `spark-connect` | – | not run | known break |",
        "| 2.5.2, 4.0.4 | `spark-pi` | not run | not run | **broken** |",
    ]


def _cell(path: str, scenario: str, verdict: Verdict) -> CellResult:
    return CellResult(
        id=f"kind-1.34/{path}/{scenario}",
        environment="kind-1.34",
        path=path,
        scenario=scenario,
        verdict=verdict,
        reason="",
        repro="",
    )


def test_a_report_becomes_rows(tmp_path: Path) -> None:
    cells = (
        _cell("install-2.5.2", "spark-pi", Verdict.PASSED),
        _cell("install-2.5.2", "spark-pi+spark=4.3.0", Verdict.PASSED),
        _cell("install-2.5.2", "spark-connect+spark=4.3.0", Verdict.BROKEN_AS_KNOWN),
        _cell("install-2.5.2", "dynamic-allocation+spark=4.3.0", Verdict.ERROR),
        _cell("install-2.2.1", "spark-pi+spark=4.3.0", Verdict.FAILED),
        _cell("install-2.5.2", "ttl", Verdict.PASSED),
        _cell("upgrade-2.4.0-2.5.2+crds=apply", "running-apps", Verdict.PASSED),
        _cell("install-dev", "spark-pi+spark=4.3.0", Verdict.PASSED),
    )
    own = OperatorResult(name="dev", obtained="x", sha256="ab" * 32)
    made = run(cells=cells, planned=(), operator=own, started=datetime(2026, 11, 30, tzinfo=UTC))
    (tmp_path / RESULTS).write_text(made.model_dump_json())
    usual = dict.fromkeys(("spark-pi", "spark-connect", "dynamic-allocation"), "4.0.4")
    rows = ship.spark_rows(ship.kept(tmp_path, "here"), usual)
    assert spark_results.read(TomlSource(text=ship.toml(rows))) == tuple(rows)
    assert [(it.operator, it.spark, it.passed, it.known, it.broken) for it in rows] == [
        ("2.5.2", "4.0.4", ("spark-pi",), (), ()),
        ("2.5.2", "4.3.0", ("spark-pi",), ("spark-connect",), ()),
        ("2.2.1", "4.3.0", (), (), ("spark-pi",)),
    ]
    assert all(it.recorded == "2026-11-30" and it.digest.startswith("sha256:") for it in rows)
