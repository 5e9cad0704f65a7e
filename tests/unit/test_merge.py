# SPDX-License-Identifier: Apache-2.0
"""Reports of shards, merged: every result, its evidence, what is missing, and what cannot be merged."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest
from report_samples import result, run

from harness import cli
from harness.errors import UsageError
from harness.redaction import sentinel
from harness.report import merge, schema
from harness.report.model import ChartChanges, OperatorResult, RunResult, SourceResult, exit_status
from harness.report.writer import ReportWriter, read
from harness.verdicts import Verdict

GROUP = "kind-1.34/install-2.5.2"
START = datetime(2026, 8, 1, 10, 15, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _no_github(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.delenv("HARNESS_ARTIFACT", raising=False)


def shard(folder: Path, number: int, *scenarios: str, **changes: Any) -> Path:
    """The report of one shard in `folder`, with evidence for what did not pass; the folder of the report."""
    begun = START + timedelta(minutes=number)
    values = {
        "run_id": f"20260801-10{15 + number}00-000{number}",
        "started": begun,
        "ended": begun + timedelta(minutes=5),
        "selection": tuple(word for name in scenarios for word in ("--cell", f"{GROUP}/{name}")),
        "peak_memory_mib": 100.0 + number,
        "seed": 7,
    }
    written = ReportWriter(folder, run(*scenarios, **{**values, **changes}))
    for cell in written.run.cells:
        if cell.evidence:
            evidence = written.folder / cell.evidence
            evidence.mkdir(parents=True)
            (evidence / "summary.md").write_text(f"of shard {number}")
            evidence.with_name(f"{evidence.name}.tar.gz").write_text(f"of shard {number}")
    locks = written.folder / "locks"
    locks.mkdir()
    (locks / f"{number}.json").write_text("{}")
    return written.folder


def merged(*folders: Path, **options: Any) -> RunResult:
    return merge.merge(merge.find(folders), **options).run


def test_shards_become_one_report_as_if_one_machine_had_run_it(tmp_path: Path) -> None:
    shard(tmp_path / "a" / "report-1-of-2", 1, "spark-pi", "retry")
    shard(tmp_path / "a" / "report-2-of-2", 2, "scheduled", "ttl", leaks=("container soh-1",))

    one = merged(tmp_path / "a")
    assert [cell.id for cell in one.cells] == [f"{GROUP}/{name}" for name in ("spark-pi", "retry", "scheduled", "ttl")]
    assert [cell.shard for cell in one.cells] == ["20260801-101600-0001"] * 2 + ["20260801-101700-0002"] * 2
    assert one.planned == tuple(cell.id for cell in one.cells)
    assert (one.started, one.ended) == (START + timedelta(minutes=1), START + timedelta(minutes=7))
    assert one.leaks == ("20260801-101700-0002: container soh-1",)
    assert one.selection == tuple(word for cell in one.cells for word in ("--cell", cell.id))
    assert one.peak_memory_mib == 102.0
    assert one.seed == 7
    assert [it.run_id for it in one.shards] == ["20260801-101600-0001", "20260801-101700-0002"]
    assert [it.host.os for it in one.shards] == ["Debian 12"] * 2
    assert one.run_id == merged(tmp_path / "a").run_id
    assert exit_status(one) == 1


def test_everything_is_written_with_evidence_and_locks(tmp_path: Path) -> None:
    shard(tmp_path / "one", 1, "spark-pi")
    shard(tmp_path / "two", 2, "retry", "ttl")
    output = tmp_path / "all"

    assert cli.main(["report", "merge", str(tmp_path / "one"), str(tmp_path / "two"), "--output", str(output)]) == 1
    results = json.loads((output / "results.json").read_text())
    jsonschema.Draft202012Validator(json.loads(schema.schema())).validate(results)
    for cell in results["cells"]:
        assert not cell["evidence"] or (output / cell["evidence"] / "summary.md").read_text() == "of shard 2"
    assert (output / GROUP / "retry.tar.gz").is_file()
    assert sorted(file.name for file in (output / "locks").iterdir()) == ["1.json", "2.json"]
    suite = ET.fromstring((output / "junit.xml").read_text())[0]  # noqa: S314  # our own file
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("3", "1", "1")
    assert "retry" in (output / "index.html").read_text()
    assert "retry" in (output / "summary.md").read_text()
    assert not (output / results["shards"][0]["run_id"]).exists()


def test_without_an_output_it_lies_beside_the_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_REPORTS", str(tmp_path / "reports"))
    shard(tmp_path / "one", 1, "spark-pi")
    assert cli.main(["report", "merge", str(tmp_path / "one")]) == 0
    (only,) = (tmp_path / "reports").iterdir()
    assert (only / "results.json").is_file()


def test_on_github_the_table_is_in_the_summary_of_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shard(tmp_path / "one", 1, "spark-pi")
    page = tmp_path / "page.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    cli.main(["report", "merge", str(tmp_path / "one"), "--output", str(tmp_path / "all")])
    assert f"| `{GROUP}/spark-pi` | ✅ passed |" in page.read_text()


def test_what_shards_took_is_learnt_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    shard(tmp_path / "one", 1, "spark-pi")
    history = tmp_path / "cache" / "history.json"
    cli.main(["report", "merge", str(tmp_path / "one"), "--output", str(tmp_path / "a")])
    assert not history.exists()
    cli.main(["report", "merge", str(tmp_path / "one"), "--output", str(tmp_path / "b"), "--learn"])
    assert f"{GROUP}/spark-pi" in json.loads(history.read_text())["own"]


def test_a_cell_of_two_shards_keeps_both_results(tmp_path: Path) -> None:
    shard(tmp_path / "one", 1, "retry")
    shard(tmp_path / "two", 2, "spark-pi", "retry")
    cells = (result("spark-pi"), result("retry", attempt=2, evidence=f"{GROUP}/retry.attempt-2"))
    shard(tmp_path / "three", 3, cells=cells)
    output = tmp_path / "all"

    assert cli.main(
        ["report", "merge", *(str(tmp_path / it) for it in ("one", "two", "three")), "--output", str(output)]
    )
    results = json.loads((output / "results.json").read_text())
    retries = {cell["attempt"]: cell for cell in results["cells"] if cell["scenario"] == "retry"}
    assert {attempt: cell["shard"][-1] for attempt, cell in retries.items()} == {1: "1", 2: "2", 4: "3"}
    for cell in retries.values():
        assert (output / cell["evidence"] / "summary.md").read_text() == f"of shard {cell['shard'][-1]}"
    assert {flake["id"]: flake["attempts"] for flake in results["flakes"]} == {
        f"{GROUP}/retry": 3,
        f"{GROUP}/spark-pi": 2,
    }


def test_a_cell_without_a_result_is_missing(tmp_path: Path) -> None:
    shard(tmp_path / "one", 1, "spark-pi", planned=(f"{GROUP}/spark-pi", f"{GROUP}/ttl"), ended=None)
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"cells": [f"{GROUP}/spark-pi"]}, {"cells": [f"{GROUP}/retry"]}]))
    words = ["report", "merge", str(tmp_path / "one"), "--output", str(tmp_path / "all"), "--plan", str(plan)]

    assert cli.main(words) == 3
    one = read(tmp_path / "all" / "results.json")
    assert set(one.missing) == {f"{GROUP}/ttl", f"{GROUP}/retry"}
    assert one.leaks == ("20260801-101600-0001: the run did not end, so there was no leak proof",)
    text = (tmp_path / "all" / "junit.xml").read_text()
    assert text.count('type="missing"') == 2


def test_a_report_that_is_there_twice_counts_once_and_a_merged_one_not_at_all(tmp_path: Path) -> None:
    shard(tmp_path / "reports", 1, "spark-pi")
    assert len(merge.find([tmp_path, tmp_path / "reports"])) == 1
    assert (tmp_path / "reports" / "latest").is_symlink()
    shards = merge.find([tmp_path])
    merge.write(merge.merge(shards), shards, tmp_path / "reports" / "merged")
    assert [it.run.run_id for it in merge.find([tmp_path])] == ["20260801-101600-0001"]
    alone = merged(tmp_path / "reports" / "merged")
    assert [it.run_id for it in alone.shards] == ["20260801-101600-0001"]
    assert alone.cells[0].shard == "20260801-101600-0001"


def test_what_differs_between_shards_is_told(tmp_path: Path) -> None:
    shard(tmp_path, 1, "spark-pi", tools={"kind": "0.33.0"})
    other = SourceResult(kind="upstream", why="they answer")
    shard(tmp_path, 2, "ttl", tools={"kind": "0.30.0"}, source=other, seed=8)
    one = merged(tmp_path)
    assert one.tools == {"kind": "0.33.0 / 0.30.0"}
    assert one.seed is None
    assert "20260801-101700-0002 from upstream" in one.source.why


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("version", "different versions of the harness"),
        ("twice", "both have run"),
        ("broken", "cannot be read"),
        ("empty", "has no results.json"),
        ("absent", "is not a folder"),
        ("output", "is not empty"),
        ("plan", "is not a shard plan"),
    ],
)
def test_what_cannot_be_merged_is_refused(
    tmp_path: Path, spoil: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shard(tmp_path / "in", 1, "spark-pi")
    words = ["report", "merge", str(tmp_path / "in"), "--output", str(tmp_path / "out")]
    if spoil == "version":
        shard(tmp_path / "in", 2, "ttl", harness_version="9.9.9")
    elif spoil == "twice":
        shard(tmp_path / "in" / "again", 1, "ttl")
    elif spoil == "broken":
        (tmp_path / "in" / "results.json").write_text("{}")
    elif spoil in ("empty", "absent"):
        words.insert(2, str(tmp_path / "other"))
        if spoil == "empty":
            (tmp_path / "other").mkdir()
    elif spoil == "output":
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "file").touch()
    else:
        (tmp_path / "plan.json").write_text("[1]")
        words += ["--plan", str(tmp_path / "plan.json")]

    assert cli.main(words) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "next: " in error


def test_nothing_is_merged_into_a_shard(tmp_path: Path) -> None:
    folder = shard(tmp_path, 1, "spark-pi")
    shards = merge.find([tmp_path])
    with pytest.raises(UsageError, match="one of the reports"):
        merge.write(merge.merge(shards), shards, folder)
    with pytest.raises(UsageError, match="no report to merge"):
        merge.merge([])


def test_the_operator_under_test_is_that_of_all_shards_or_none(tmp_path: Path) -> None:
    def under_test(sha256: str, release: str) -> OperatorResult:
        changes = (ChartChanges(release=release, lines=("value a: 1 → 2",)),)
        return OperatorResult(name="dev", obtained="x", sha256=sha256 * 32, changes=changes)

    first = shard(tmp_path / "a", 1, "spark-pi", operator=under_test("ab", "2.4.0"))
    second = shard(tmp_path / "b", 2, "ttl", operator=under_test("ab", "2.5.2"))
    other = shard(tmp_path / "c", 3, "retry", operator=under_test("cd", "2.5.2"))

    both = merged(first, second).operator
    assert both is not None
    assert [it.release for it in both.changes] == ["2.4.0", "2.5.2"]
    assert merged(first, other).operator is None


def test_the_verdicts_are_those_of_the_shards(tmp_path: Path) -> None:
    shard(tmp_path, 1, "spark-pi", "scheduled")
    shard(tmp_path, 2, "config-map")
    one = merged(tmp_path)
    assert [cell.verdict for cell in one.cells] == [Verdict.PASSED, Verdict.BROKEN_AS_KNOWN, Verdict.ERROR]
    assert exit_status(one) == 3


def test_links_in_a_report_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("of this machine")
    folder = shard(tmp_path / "a", 1, "spark-pi", "retry")
    (folder / "linked").symlink_to(secret)
    shards = merge.find([folder])
    merge.write(merge.merge(shards), shards, tmp_path / "merged", environment={})
    assert not (tmp_path / "merged" / "linked").exists()
    assert sentinel.in_files(["of this machine"], [tmp_path / "merged"]) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("id", "../../../elsewhere"), ("id", "/etc/cron.d/x"), ("evidence", "../../elsewhere"), ("lock", "sha256:../x")],
)
def test_a_report_that_names_a_path_outside_is_not_read(tmp_path: Path, key: str, value: str) -> None:
    folder = shard(tmp_path / "a", 1, "spark-pi")
    document = json.loads((folder / "results.json").read_text())
    document["cells"][0][key] = value
    (folder / "results.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match="cannot be read as results"):
        merge.find([folder])
