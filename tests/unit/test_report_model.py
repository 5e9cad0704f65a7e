# SPDX-License-Identifier: Apache-2.0
"""What a result says about its cell, what a run ends with, and the schema that is checked in."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from report_samples import CELL, FINDINGS, result, run

from harness.report import schema
from harness.report.model import CheckResult, cell_result, exit_status
from harness.report.repro import repro
from harness.verdicts import Verdict, passed


@pytest.mark.parametrize(
    ("scenario", "verdict", "reason"),
    [
        ("spark-pi", Verdict.PASSED, ""),
        ("scheduled", Verdict.BROKEN_AS_KNOWN, "3 kept, limit 2, as known upstream"),
        ("ttl", Verdict.UNAVAILABLE, "docker.io/apache/spark:4.0.4: the source has no such image"),
        ("retry", Verdict.FAILED, "state is <COMPLETED> | not FAILED\nlast seen 10:00"),
        ("config-map", Verdict.ERROR, "the API server\x00 went \x1b[31maway\x1b[0m"),
    ],
)
def test_a_cell_is_as_bad_as_its_worst_check_and_says_why(scenario: str, verdict: Verdict, reason: str) -> None:
    cell = result(scenario)
    assert (cell.verdict, cell.reason) == (verdict, reason)
    assert [check.name for check in cell.checks] == [finding.check for finding in FINDINGS[scenario]]
    assert cell.seconds == 33.8


def test_a_cell_without_a_finding_has_proved_nothing() -> None:
    cell = cell_result(CELL, [], repro="nox")
    assert (cell.verdict, cell.reason) == (Verdict.ERROR, "no check ran")


@pytest.mark.parametrize(
    ("scenarios", "changes", "status"),
    [
        (("spark-pi", "scheduled"), {}, 0),
        (("spark-pi", "retry"), {}, 1),
        (("retry", "config-map", "ttl"), {}, 1),
        (("spark-pi", "config-map"), {}, 3),
        (("spark-pi", "ttl"), {}, 3),
        (("spark-pi",), {"leaks": ("container soh-1",)}, 3),
        (("spark-pi",), {"planned": ("kind-1.34/install-2.5.2/spark-pi", "kind-1.34/install-2.5.2/ttl")}, 3),
        ((), {}, 3),
    ],
)
def test_the_exit_status_follows_the_worst_that_happened(
    scenarios: tuple[str, ...], changes: dict[str, object], status: int
) -> None:
    assert exit_status(run(*scenarios, **changes)) == status


def test_the_repro_line_is_one_command_that_a_shell_understands() -> None:
    assert repro("kind-1.34/install-2.5.2/spark-pi", lock="sha256:ab") == (
        "nox -s e2e -- --cell kind-1.34/install-2.5.2/spark-pi --lock sha256:ab"
    )
    line = repro("e/p/s", lock="sha256:ab", values=("my values.yaml", "b.yaml"))
    assert line == "nox -s e2e -- --cell e/p/s --lock sha256:ab --values 'my values.yaml' --values b.yaml"
    line = repro("e/p/s", lock="sha256:ab", existing=("--context", "prod"), config="my settings.toml")
    assert line == "nox -s e2e -- --cell e/p/s --lock sha256:ab --context prod --config 'my settings.toml'"


def test_facts_that_json_does_not_know_become_text() -> None:
    check = CheckResult.of(passed("c", "m", folder=Path("/x"), names=("a", "b"), odd=object))
    assert check.evidence == {"folder": "/x", "names": ["a", "b"], "odd": "<class 'object'>"}


def test_the_schema_that_is_checked_in_is_that_of_the_models() -> None:
    assert schema.SCHEMA_FILE.read_text() == schema.schema(), "run `python -m harness.report.schema`"
    jsonschema.Draft202012Validator.check_schema(json.loads(schema.schema()))


@pytest.mark.parametrize("ended", [True, False])
def test_what_is_written_satisfies_the_schema(ended: bool) -> None:
    document = run(*FINDINGS, **({} if ended else {"ended": None}))
    formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
    checked_in = jsonschema.Draft202012Validator(json.loads(schema.SCHEMA_FILE.read_text()), format_checker=formats)
    data = json.loads(document.model_dump_json())
    checked_in.validate(data)
    assert {"id", "environment", "path", "scenario", "verdict", "reason", "phases", "images", "checks", "repro"} <= set(
        data["cells"][0]
    )
    data["cells"][0]["verdict"] = "green"
    with pytest.raises(jsonschema.ValidationError):
        checked_in.validate(data)


def test_cells_come_worst_first() -> None:
    assert [cell.verdict for cell in run("spark-pi", "ttl", "config-map", "retry", "scheduled").worst_first] == [
        Verdict.ERROR,
        Verdict.FAILED,
        Verdict.UNAVAILABLE,
        Verdict.BROKEN_AS_KNOWN,
        Verdict.PASSED,
    ]
