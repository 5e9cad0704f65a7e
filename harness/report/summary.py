# SPDX-License-Identifier: Apache-2.0
"""The short reports: the terminal summary and GitHub's job summary. Problems come first."""

from __future__ import annotations

import shlex
import string
from pathlib import Path
from textwrap import indent

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import named_files
from harness.evidence.markdown import cell as cell_text
from harness.evidence.markdown import code, fenced, prose
from harness.report import advice, advice_text, rehearsal, under_test
from harness.report.flakes import told
from harness.report.model import GREEN, CellResult, RunResult, exit_status
from harness.report.text import first_line, plain
from harness.verdicts import Verdict
from harness.wording import counted

_STYLES = {
    Verdict.PASSED: "green",
    Verdict.BROKEN_AS_KNOWN: "yellow",
    Verdict.UNAVAILABLE: "cyan",
    Verdict.FAILED: "bold red",
    Verdict.ERROR: "bold magenta",
}
_MARKS = {
    Verdict.PASSED: "✅",
    Verdict.BROKEN_AS_KNOWN: "🟡",
    Verdict.UNAVAILABLE: "⚪",
    Verdict.FAILED: "❌",
    Verdict.ERROR: "💥",
}
_JOB_BYTES = 1000 * 1024
"""A little less than GitHub takes of a step's job summary, 1024 KiB: of a larger one it shows nothing at all."""

_ELSEWHERE = "download the evidence and pass its folder to --lock instead of the digest"


def headline(run: RunResult) -> str:
    """One line: the number of cells, in total and by verdict."""
    total = len(run.cells) + len(run.missing)
    parts = [f"{number} {verdict}" for verdict, number in run.counts.items()]
    if run.missing:
        parts.insert(0, f"{len(run.missing)} without a result")
    retried = sum(bool(cell.retries) for cell in run.cells)
    if retried:
        parts.append(f"{retried} retried")
    return f"{counted(total, 'cell')}: {', '.join(parts) or 'nothing ran'}"


def terminal(run: RunResult, console: Console, folder: Path) -> None:
    """Print the table of cells, then each cell that did not pass with its repro line and its evidence.

    `folder` is the report's. Repro lines are never wrapped, so that they can be copied.
    """
    seed = "" if run.seed is None else f", seed {run.seed}"
    table = Table(title=f"run {run.run_id}, images from {run.source.told}{seed}", title_justify="left")
    table.add_column("cell", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for cell in sorted(run.cells, key=lambda it: it.verdict.severity):
        verdict = Text(cell.verdict.value, style=_STYLES[cell.verdict])
        table.add_row(_shown(_title(cell)), verdict, f"{cell.seconds:.1f}", _shown(first_line(cell.remark)))
    console.print(table)
    for distribution, environments in run.distributions.items():
        console.print(_shown(f"{', '.join(environments)}: {distribution}"), soft_wrap=True)
    for line in _brought(run):
        console.print(_shown(line), soft_wrap=True)
    for line in under_test.lines(run.operator):
        console.print(_shown(line), soft_wrap=True)
    # The last lines are the ones that stay in sight, so the worst comes last here, and first on every page.
    for cell in reversed(run.worst_first):
        if cell.verdict not in GREEN:
            _details(cell, console, folder)
    for flake in run.flakes:
        console.print(_shown(f"repeated: {flake.id} {told(flake)}"), soft_wrap=True)
    if _has_locks(run):
        console.print(_shown(f"on another machine: {_ELSEWHERE}"), soft_wrap=True)
    for name in run.missing:
        console.print(_shown(f"no result: {name}", style="bold magenta"), soft_wrap=True)
    for leak in run.leaks:
        console.print(_shown(f"left behind: {leak}", style="bold magenta"), soft_wrap=True)
    for each in advice.of_run(run, str(folder)):
        for line in advice_text.lines(each):
            console.print(_shown(line), soft_wrap=True)
    style = "bold green" if exit_status(run) == 0 else "bold red"
    console.print(_shown(headline(run), style=style), soft_wrap=True)
    console.print(_shown(f"report: {folder}"), soft_wrap=True)


def _shown(text: str, style: str = "") -> Text:
    """Text for the terminal, which obeys nothing in it: reports are merged that were made elsewhere."""
    return Text(plain(text), style=style)


def _details(cell: CellResult, console: Console, folder: Path) -> None:
    console.print(_shown(f"{cell.verdict.value}: {_title(cell)}", style=_STYLES[cell.verdict]), soft_wrap=True)
    console.print(_shown(indent(plain(cell.reason), "  ")), soft_wrap=True)
    for retry in cell.retries:
        console.print(_shown(f"  retried:  {first_line(retry.message)} ({retry.cause})"), soft_wrap=True)
    for difference in cell.drift:
        console.print(_shown(f"  drift:    {difference}"), soft_wrap=True)
    console.print(_shown(f"  repro:    {cell.repro}"), soft_wrap=True)
    if cell.evidence:
        console.print(_shown(f"  evidence: {folder / cell.evidence}"), soft_wrap=True)


def markdown(run: RunResult, *, artifact: str = "") -> str:
    """The page for GitHub's job summary ($GITHUB_STEP_SUMMARY).

    `artifact` is the name under which CI uploads the report.
    """
    lines = [f"## {'✅' if exit_status(run) == 0 else '❌'} Spark Operator harness: {headline(run)}", ""]
    lines += rehearsal.markdown(run.rehearsal)
    lines += under_test.markdown(run.operator)
    bad = [cell for cell in run.worst_first if cell.verdict not in GREEN]
    for cell in bad:
        lines += [f"### {_MARKS[cell.verdict]} {cell.verdict.value}: `{_title(cell)}`", "", prose(cell.reason), ""]
        lines += [*fenced([cell.repro], "sh"), ""]
        remarks = [f"- retried: {prose(first_line(it.message))} ({prose(it.cause)})" for it in cell.retries]
        remarks += [f"- drift: {prose(difference)}" for difference in cell.drift]
        # Without an empty line, what follows a list is a part of its last item.
        lines += [*remarks, ""] if remarks else []
        if cell.evidence:
            where = f" in the artefact `{artifact}`" if artifact else ""
            lines += [f"Evidence: {code(cell.evidence)}{where}", ""]
    if _has_locks(run):
        lines += [f"On another machine: {_ELSEWHERE}.", ""]
    lines += [f"- 💥 no result: {code(name)}" for name in run.missing]
    lines += [f"- 💥 left behind: {code(leak)}" for leak in run.leaks]
    lines += ["", *advice_text.markdown(advice.of_run(run))]
    lines += ["", "| cell | verdict | seconds | reason |", "| --- | --- | ---: | --- |"]
    for cell in run.worst_first:
        verdict = f"{_MARKS[cell.verdict]} {cell.verdict.value}"
        reason = cell_text(first_line(cell.remark))
        lines.append(f"| `{_title(cell)}` | {verdict} | {cell.seconds:.1f} | {reason} |")
    if run.flakes:
        lines += ["", "| repeated cell | flake rate |", "| --- | --- |"]
        lines += [f"| `{flake.id}` | {told(flake)} |" for flake in run.flakes]
    ran = [f"{', '.join(names)}: {distribution}" for distribution, names in run.distributions.items()]
    lines += [f"\n{prose(it)}" for it in ran]
    lines += [f"\n{prose(line)}" for line in _brought(run)]
    selection = prose(shlex.join(run.selection)) or "the default selection"
    if run.seed is not None:
        selection += f", seed {run.seed}"
    lines += ["", f"Run `{run.run_id}`, {selection}, images from {run.source.told}: {prose(run.source.why)}", ""]
    return "\n".join(lines)


def add_to_job(page: str, file: Path, *, most: int = _JOB_BYTES) -> None:
    """Append a page to the job summary, or the beginning of one that is too long: the worst comes first.

    `most` is in bytes, for the whole file. Raises OSError.
    """
    room = most - (file.stat().st_size if file.exists() else 0)
    named_files.write(file, page if len(page.encode()) <= room else _shortened(page, room), append=True)


def _shortened(page: str, room: int) -> str:
    """The lines that there is room for, up to one that is in no fence."""
    lines = page.splitlines(keepends=True)
    kept, fence = 0, ""
    for number, line in enumerate(lines, 1):
        room -= len(line.encode())
        if room < 0:
            break
        if line.startswith("```"):
            fence = "" if line.strip() == fence else fence or line.rstrip(string.ascii_letters + "\n")
        kept = kept if fence else number
    return (
        "".join(lines[:kept])
        + f"\nThis is not all: {len(lines) - kept} more lines are in `summary.md` of the report.\n"
    )


def _brought(run: RunResult) -> list[str]:
    """The images that were not pulled from the registry in their name, relocated, imported and under test, and those
    of which platforms did not run."""
    told = {
        f"{image.reference}: {image.obtained}": None
        for cell in run.cells
        for image in cell.images
        if any(word in image.obtained for word in ("relocated", "imported", "under test", "not run here"))
    }
    return list(told)


def _has_locks(run: RunResult) -> bool:
    return any(cell.lock and cell.verdict not in GREEN for cell in run.cells)


def _title(cell: CellResult) -> str:
    return cell.id if cell.attempt == 1 else f"{cell.id} (attempt {cell.attempt})"
