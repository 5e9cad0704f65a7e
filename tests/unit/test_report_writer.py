# SPDX-License-Identifier: Apache-2.0
"""The folder of a report: there from the first moment, whole at every moment."""

from __future__ import annotations

import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from report_samples import result, run

from harness.errors import HostError
from harness.report import writer
from harness.report.files import write_atomically
from harness.report.model import exit_status
from harness.report.writer import ReportWriter

PLANNED = tuple(f"kind-1.34/install-2.5.2/{name}" for name in ("spark-pi", "retry"))


def test_a_run_that_is_killed_leaves_what_it_had(tmp_path: Path) -> None:
    report = ReportWriter(tmp_path, run(ended=None, planned=PLANNED))
    assert writer.read(tmp_path / "latest" / "results.json").cells == ()
    report.add(result("spark-pi"))
    left = writer.read(tmp_path / "latest" / "results.json")
    assert [cell.id for cell in left.cells] == [PLANNED[0]]
    assert left.missing == (PLANNED[1],)
    assert left.ended is None
    assert exit_status(left) == 3
    assert (tmp_path / "latest" / "junit.xml").is_file()


def test_a_finished_run_has_every_form_of_the_report(tmp_path: Path) -> None:
    report = ReportWriter(tmp_path / "reports", run(ended=None, planned=PLANNED))
    report.add(result("spark-pi"))
    report.add(result("retry"))
    job_summary = tmp_path / "github.md"
    job_summary.write_text("before\n")
    done = report.finish(peak_memory_mib=81.26, environment={"GITHUB_STEP_SUMMARY": str(job_summary)})
    assert done.ended is not None
    assert done.peak_memory_mib == 81.3
    assert writer.read(report.folder / "results.json") == done
    assert sorted(path.name for path in report.folder.iterdir()) == [
        "index.html",
        "junit.xml",
        "results.json",
        "summary.md",
    ]
    assert job_summary.read_text() == "before\n" + (report.folder / "summary.md").read_text()


def test_latest_points_at_the_last_run(tmp_path: Path) -> None:
    ReportWriter(tmp_path, run())
    ReportWriter(tmp_path, run(run_id="20260801-101600-cd34"))
    assert (tmp_path / "latest").readlink() == Path("20260801-101600-cd34")


def test_cells_that_end_together_are_all_kept(tmp_path: Path) -> None:
    report = ReportWriter(tmp_path, run(ended=None))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: report.add(result("spark-pi", attempt=number)), range(1, 33)))
    written = writer.read(report.folder / "results.json")
    assert sorted(cell.attempt for cell in written.cells) == list(range(1, 33))


def test_evidence_is_named_relative_to_the_report(tmp_path: Path) -> None:
    report = ReportWriter(tmp_path, run())
    assert report.relative(report.folder / "e" / "p" / "s.attempt-2") == "e/p/s.attempt-2"


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    with pytest.raises(HostError, match="cannot write the report below") as caught:
        ReportWriter(tmp_path, run())
    assert "reports_dir" in caught.value.next_step
    assert not list(tmp_path.glob(".latest*"))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write_atomically(file, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(file, "\ud800")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_full_disk_is_one_clear_error_wherever_it_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = ReportWriter(tmp_path, run(ended=None, planned=PLANNED))
    report.add(result("spark-pi"))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "write_atomically", full)
    for act in (lambda: report.add(result("retry")), lambda: report.plan(()), lambda: report.finish(environment={})):
        with pytest.raises(HostError, match=r"cannot write the report in .*: No space left on device"):
            act()
    assert [cell.id for cell in writer.read(report.folder / "results.json").cells] == [PLANNED[0]]
