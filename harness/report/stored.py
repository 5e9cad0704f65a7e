# SPDX-License-Identifier: Apache-2.0
"""The stored reports of this machine: finding one, and bringing its page up to date."""

from __future__ import annotations

from pathlib import Path

from harness import named_files
from harness.errors import HostError, UsageError
from harness.report import attachments, html
from harness.report.files import write_atomically
from harness.report.writer import HTML, RESULTS, read
from harness.untrusted import first_problem

LATEST = "latest"
_SHOWN = 3


def find(reports_dir: Path, named: str = "") -> Path:
    """The folder of a report, given by run id or path; without a name, that of the latest run.

    Raises UsageError when there is none.
    """
    if not named:
        if why := named_files.why_no_folder(reports_dir / LATEST):
            raise UsageError(f"{reports_dir / LATEST} leads to no report: {why}", _next_step(reports_dir))
        folder = (reports_dir / LATEST).resolve()
        if not (folder / RESULTS).is_file():
            raise UsageError(f"there are no reports in {reports_dir}", _next_step(reports_dir))
        return folder
    for folder in (reports_dir / named, of_results(Path(named))):
        if (folder / RESULTS).is_file():
            return folder.resolve()
    for folder in (reports_dir / named, Path(named)):
        if folder.is_dir():
            raise UsageError(f"{folder} is not a report: it has no {RESULTS}", _next_step(reports_dir))
    raise UsageError(f"there is no report of run {named} in {reports_dir}", _next_step(reports_dir))


def of_results(path: Path) -> Path:
    """The folder of a report where its results.json is given; any other path as it is."""
    return path.parent if path.name == RESULTS and path.is_file() else path


def page(folder: Path) -> str:
    """The page of a report: the stored one, or rendered now if results or benchmark are newer.

    Raises UsageError for results of another version of the harness, HostError for files that cannot be read.
    """
    try:
        if _up_to_date(folder):
            return named_files.text(folder / HTML)
        run = read(folder / RESULTS)
        return html.render(run, attachments.find(folder, run))
    except ValueError as wrong:
        raise UsageError(
            f"{folder / RESULTS} cannot be read as results of this version of the harness: {first_problem(wrong)}",
            "use the version that wrote it",
        ) from wrong
    except OSError as error:
        raise HostError(f"cannot read the report in {folder}: {error}", "make its files readable") from error


def write_page(folder: Path) -> Path:
    """The file with the page, written if missing or outdated. Raises as `page`."""
    file = folder / HTML
    if not _up_to_date(folder):
        text = page(folder)
        try:
            write_atomically(file, text)
        except OSError as error:
            raise HostError(
                f"cannot write {file}: {error}",
                "make the folder writable, or use `harness report serve`, which writes nothing",
            ) from error
    return file


def _up_to_date(folder: Path) -> bool:
    pulls = attachments.pulls_file(folder)
    made_of = [folder / RESULTS, *([pulls] if pulls else [])]
    file = folder / HTML
    return file.is_file() and all(file.stat().st_mtime >= it.stat().st_mtime for it in made_of)


def _next_step(reports_dir: Path) -> str:
    known = sorted((file.parent.name for file in reports_dir.glob(f"*/{RESULTS}")), reverse=True)
    known = [name for name in known if name != LATEST][:_SHOWN]
    return f"the latest are: {', '.join(known)}" if known else "run some cells first: `nox -s e2e`"
