# SPDX-License-Identifier: Apache-2.0
"""Reports have no secrets, whichever part of them was told one, and in whichever format they are written."""

from __future__ import annotations

import re
from pathlib import Path

from report_samples import result, run

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
