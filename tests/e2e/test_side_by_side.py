# SPDX-License-Identifier: Apache-2.0
"""Two runs on one host at the same time, and what they take away."""

from __future__ import annotations

from pathlib import Path

from runs import CELL, Run, Things

from harness.verdicts import Verdict


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path, before: Things) -> None:
    first = Run(tmp_path / "first", "--cell", CELL)
    first.until_said("creating cluster")
    second = Run(tmp_path / "second", "--cell", CELL)

    statuses = [run.end() for run in (first, second)]

    assert statuses == [0, 0], first.log.read_text() + second.log.read_text()
    for run in (first, second):
        (cell,) = run.cells()
        assert (cell.verdict, cell.retries) == (Verdict.PASSED, ())
        assert run.results()["leaks"] == []
    clusters = {run.results()["plan"][0]["cluster"] for run in (first, second)}
    assert len(clusters) == 2
    assert Things.now() == before
