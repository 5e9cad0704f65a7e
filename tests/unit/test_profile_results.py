# SPDX-License-Identifier: Apache-2.0
"""What was measured with each values profile: rows from a report, and the table of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from advice_samples import cells, run

from harness.errors import CatalogueError
from harness.matrix import profile_results
from harness.report import ship
from harness.report.writer import RESULTS
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.verdicts import passed

EDGE = "upgrade-2.4.0-2.5.2+crds=apply"
IGNORES = {"admission": [passed("outage", "no", outage_ms=0), passed("always-mutated", "3 passed", passed_by=3)]}


def read(text: str) -> tuple[profile_results.ProfileResult, ...]:
    return profile_results.read(TomlSource(file=Path("profile-results.toml"), text=text))


def test_the_table_is_the_one_of_the_file() -> None:
    text = (PROJECT_ROOT / "docs" / "my-cluster.md").read_text()
    (found,) = re.findall(r"<!-- begin: python -m harness.matrix.profile_results -->\n(.*?)<!-- end -->", text, re.S)
    assert found == profile_results.table(profile_results.read()), "run python -m harness.matrix.profile_results"


def test_a_report_becomes_rows_that_can_be_read_again(tmp_path: Path) -> None:
    report = run(cells(EDGE), cells(f"{EDGE}+profile=failure-policy-ignore", IGNORES))
    (tmp_path / RESULTS).write_text(report.model_dump_json())
    text = ship.toml(ship.profile_rows(ship.kept(tmp_path, "run 1")))
    plain, ignores = read(text)
    assert (plain.verdict, plain.no_leader, plain.refused, plain.passed_by) == ("passed", 21.4, 350, None)
    assert (ignores.refused, ignores.passed_by, ignores.source) == (0, 3, "run 1")
    assert profile_results.table((plain, ignores)).splitlines()[2:] == [
        f"| none | `{EDGE}` | passed | 21.4 | 350 | – |",
        f"| `failure-policy-ignore` | `{EDGE}` | passed | 21.4 | 0 | 3 |",
    ]


def test_a_report_without_profiles_has_no_such_rows(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_text(run(cells(EDGE)).model_dump_json())
    assert ship.profile_rows(ship.kept(tmp_path, "run 1")) == []


def test_a_row_of_what_is_no_path_is_named() -> None:
    row = 'path = "ha"\nenvironment = "kind-1.34"\nrecorded = "2026-11-30"\nsource = "it"\nverdict = "passed"\n'
    with pytest.raises(CatalogueError, match="'ha' is not the name of a path"):
        read(f"[[result]]\n{row}")
