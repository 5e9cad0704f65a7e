# SPDX-License-Identifier: Apache-2.0
"""Turns the report of a run into rows of charts/results.toml, which are shipped with the project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.matrix import path_names
from harness.matrix.results import Result
from harness.report.model import CheckResult
from harness.report.path_results import WATCHED, PathResult, Report, State, path_results
from harness.report.text import first_line
from harness.report.writer import RESULTS, read
from harness.verdicts import Verdict

_STATES: dict[State, Literal["clean", "race", "broken"]] = {
    State.CLEAN: "clean",
    State.RACE: "race",
    State.BROKEN: "broken",
}


def rows(folder: Path, source: str) -> list[Result]:
    """A row for each upgrade of a report that was looked at in full. Raises UsageError where there is none."""
    file = folder / RESULTS
    try:
        run, digest = read(file), f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    except (OSError, ValueError) as unreadable:
        raise UsageError(f"{file} cannot be read: {str(unreadable).splitlines()[0]}", "give a report's folder") from (
            unreadable
        )
    parsed = {it for cell in run.cells if (it := path_names.parse(cell.path)) and it.kind == "upgrade"}
    pairs = sorted({it.releases for it in parsed if len(it.releases) == 2})
    report = Report(folder=str(folder), run=run)
    found = [it for pair in pairs for it in path_results([report], "upgrade", pair) if it.state in _STATES]
    made = [_row(it, source, f"{run.started:%Y-%m-%d}", digest) for it in found if it.values == "default"]
    if not made:
        raise UsageError(
            f"{folder} has no upgrade of which every scenario has a result",
            f"run the path with {', '.join(WATCHED)}",
        )
    return made


def toml(found: list[Result]) -> str:
    """The rows as they are written into charts/results.toml."""
    return "\n".join("\n".join(["[[result]]", *_lines(row), ""]) for row in found)


def _lines(row: Result) -> Iterator[str]:
    for key, value in row.model_dump().items():
        if value in (None, "", ()):
            continue
        if isinstance(value, tuple):
            yield f"{key} = [{', '.join(_quoted(it) for it in value)}]"
        else:
            yield f"{key} = {value if isinstance(value, int) else _quoted(str(value))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(it if it.isprintable() else " " for it in escaped)}"'


def _row(found: PathResult, source: str, day: str, digest: str) -> Result:
    checks = [check for seen in found.watched.values() for check in seen.cell.checks]
    outage, steps, once = (_evidence(checks, name) for name in ("outage", "steps", "exactly-once"))
    refused, gap = outage.get("outage_ms"), steps.get("lead_gap_s")
    failed, submitted = once.get("failed"), once.get("total")
    bad = (Verdict.FAILED, Verdict.BROKEN_AS_KNOWN)
    broke = [f"{it.name}: {first_line(it.message)}" for it in checks if it.verdict in bad]
    return Result(
        path=found.path,
        environment=found.environment,
        state=_STATES[found.state],
        recorded=day,
        source=source,
        digest=digest,
        refused=_whole(refused),
        no_leader=_whole(gap),
        failed=_whole(failed),
        submitted=_whole(submitted),
        broke=tuple(dict.fromkeys(broke)) if found.state is State.BROKEN else (),
    )


def _evidence(checks: list[CheckResult], name: str) -> dict[str, object]:
    return next((dict(it.evidence) for it in checks if it.name.partition(" (")[0] == name), {})


def _whole(value: object) -> int | None:
    return round(value) if isinstance(value, int | float) else None
