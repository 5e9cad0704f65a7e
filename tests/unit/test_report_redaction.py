# SPDX-License-Identifier: Apache-2.0
"""Reports have no secrets, whichever part of them was told one, and in whichever format they are written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from report_samples import result, run

from harness import cli
from harness.errors import HostError
from harness.report.model import CellResult, CheckResult, RetryResult
from harness.report.writer import ReportWriter
from harness.verdicts import failed

SAID = 'log: Authorization: Bearer hunter2horse, {"password": "hunter2horse"} and --api-token hunter2horse'


def test_no_file_of_a_report_has_what_a_log_line_gave_away(tmp_path: Path) -> None:
    writer = ReportWriter(tmp_path, run())
    told = {
        **result("spark-pi").model_dump(),
        "reason": SAID,
        "verdict": "failed",
        "checks": (CheckResult.of(failed("operator-health", SAID, lines=[SAID], password="hunter2horse")),),
        "retries": (RetryResult(cause="node-lost", message=SAID, cluster="c"),),
        "drift": (SAID,),
    }
    writer.add(CellResult.model_validate(told))
    writer.finish(environment={})
    files = [file for file in writer.folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"results.json", "junit.xml", "index.html", "summary.md"}
    assert [file.name for file in files if re.search("hunter2horse", file.read_text())] == []


@pytest.mark.parametrize(("share", "of_folders", "of_files"), [(False, 0o700, 0o600), (True, 0o755, 0o644)])
def test_others_read_a_report_only_when_it_is_shared(
    tmp_path: Path, share: bool, of_folders: int, of_files: int
) -> None:
    writer = ReportWriter(tmp_path / "reports", run("spark-pi"), share=share)
    assert writer.folder.stat().st_mode & 0o777 == 0o700
    evidence = writer.folder / "cell" / "logs"
    evidence.mkdir(parents=True)
    (evidence / "driver.log").write_text("log")
    (evidence / "link").symlink_to("/etc/hostname")
    before = Path("/etc/hostname").stat().st_mode
    writer.finish(environment={})
    paths = [path for path in (writer.folder, *writer.folder.rglob("*")) if not path.is_symlink()]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {of_folders}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {of_files}
    assert Path("/etc/hostname").stat().st_mode == before


def test_what_a_command_says_of_an_error_has_no_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> int:
        raise HostError("https://robot:hunter2horse@ghcr.io/v2/ refused --password hunter2horse", "log in again")

    monkeypatch.setattr("harness.commands.machine._doctor", refuse)
    assert cli.main(["doctor"]) == 3
    assert "hunter2horse" not in capsys.readouterr().err
