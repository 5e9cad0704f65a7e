# SPDX-License-Identifier: Apache-2.0
"""Writes `reports/<run id>/`: results.json and junit.xml after every cell, the readable reports at the end."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness import named_files
from harness.errors import HostError
from harness.report import attachments, junit, summary
from harness.report.files import point_at, set_modes, write_atomically
from harness.report.flakes import flakes
from harness.report.model import CellResult, ChartChanges, PlannedCluster, RehearsalResult, RunResult
from harness.settings import ARTIFACT_VARIABLE
from harness.untrusted import require_relative

RESULTS = "results.json"
JUNIT = "junit.xml"
HTML = "index.html"
SUMMARY = "summary.md"


class ReportWriter:
    """One run's report. Safe to call from several threads."""

    def __init__(self, reports_dir: Path, run: RunResult, *, share: bool = False) -> None:
        """Create the folder, write the first results.json and point `latest` at it. Raises HostError.

        Only this user may read the report, or with `share` every user of the machine once it is finished.
        """
        self._share = share
        self.folder = reports_dir / run.run_id
        self._run = run
        self._lock = threading.Lock()
        try:
            reports_dir.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            self._write_machine_readable()
            point_at(reports_dir / "latest", run.run_id)
        except OSError as error:
            raise HostError(
                f"cannot write the report below {reports_dir}: {error}",
                "make that folder writable, remove what is in the way, or set reports_dir in harness.toml",
            ) from error

    @property
    def run(self) -> RunResult:
        """The results so far."""
        return self._run

    def relative(self, folder: Path) -> str:
        """A folder's name in results.json: relative to the report's folder."""
        return folder.relative_to(self.folder).as_posix()

    def add(self, cell: CellResult) -> None:
        """Add a finished cell; it is on disk when this returns. Raises HostError."""
        with self._lock:
            cells = (*self._run.cells, cell)
            self._run = self._run.model_copy(update={"cells": cells, "flakes": flakes(cells)})
            with self._told():
                self._write_machine_readable()

    def plan(self, clusters: Sequence[PlannedCluster]) -> None:
        """Add which cell runs on which cluster, and when; it is on disk when this returns. Raises HostError."""
        with self._lock:
            self._run = self._run.model_copy(update={"plan": tuple(clusters)})
            with self._told():
                self._write_machine_readable()

    def operator_changes(self, changes: Sequence[ChartChanges]) -> None:
        """Add how the chart of the operator under test differs from those of releases. Raises HostError."""
        with self._lock:
            if self._run.operator is None or not changes:
                return
            told = self._run.operator.model_copy(update={"changes": tuple(changes)})
            self._run = self._run.model_copy(update={"operator": told})
            with self._told():
                self._write_machine_readable()

    def finish(
        self,
        *,
        ended: datetime | None = None,
        peak_memory_mib: float | None = None,
        leaks: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> RunResult:
        """Finish the report and write the readable ones; on GitHub, append to the job summary. Raises HostError."""
        with self._lock:
            changes = {
                "ended": ended or datetime.now(UTC),
                "peak_memory_mib": None if peak_memory_mib is None else round(peak_memory_mib, 1),
                "leaks": tuple(leaks),
            }
            self._run = self._run.model_copy(update=changes)
            with self._told():
                self._write_all(os.environ if environment is None else environment)
                set_modes(self.folder, share=self._share)
            return self._run

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the disk refuses within the block into HostError."""
        try:
            yield
        except OSError as error:
            raise HostError(
                f"cannot write the report in {self.folder}: {error.strerror or error}",
                "free some disk, or set reports_dir in harness.toml; results.json holds the cells up to this one",
            ) from error

    def _write_all(self, variables: Mapping[str, str]) -> None:
        # Late, since the library of templates is slow to import.
        from harness.report import html

        self._write_machine_readable()
        write_atomically(self.folder / HTML, html.render(self._run, attachments.find(self.folder, self._run)))
        page = summary.markdown(self._run, artifact=variables.get(ARTIFACT_VARIABLE, ""))
        write_atomically(self.folder / SUMMARY, page)
        job_summary = variables.get("GITHUB_STEP_SUMMARY")
        if job_summary:
            summary.add_to_job(page, Path(job_summary))

    def _write_machine_readable(self) -> None:
        write_atomically(self.folder / RESULTS, self._run.model_dump_json(indent=2) + "\n")
        write_atomically(self.folder / JUNIT, junit.render(self._run))


def rehearsed(folder: Path, run: RunResult, result: RehearsalResult, *, share: bool = False) -> RunResult:
    """Write a finished report anew, with what its rehearsal amounts to. Raises HostError."""
    from harness.report import html

    told = run.model_copy(update={"rehearsal": result})
    try:
        write_atomically(folder / RESULTS, told.model_dump_json(indent=2) + "\n")
        write_atomically(folder / HTML, html.render(told, attachments.find(folder, told)))
        write_atomically(folder / SUMMARY, summary.markdown(told))
        set_modes(folder, share=share)
    except OSError as error:
        raise HostError(
            f"cannot write the report in {folder}: {error.strerror or error}", "free some disk, and try again"
        ) from error
    return told


def read(file: Path) -> RunResult:
    """Read a results.json.

    Raises ValueError (pydantic.ValidationError among others) when it is not such a file, or names evidence outside its
    own folder.
    """
    run = RunResult.model_validate_json(named_files.text(file))
    for cell in run.cells:
        for name in filter(None, (cell.evidence, *(retry.evidence for retry in cell.retries))):
            require_relative(name)
    return run
