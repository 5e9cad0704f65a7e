# SPDX-License-Identifier: Apache-2.0
"""Turns the report of a run into rows of charts/results.toml and of the other charts/*-results.toml, which are shipped
with the project.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import UsageError
from harness.matrix import path_names, sparks
from harness.matrix.path_outcomes import PathOutcomes
from harness.matrix.profile_results import ProfileResult
from harness.matrix.results import Result
from harness.matrix.spark_results import SparkResult
from harness.report.model import CellResult, CheckResult, RunResult
from harness.report.path_results import WATCHED, PathResult, Report, State, path_results
from harness.report.text import first_line
from harness.report.writer import RESULTS, read
from harness.verdicts import Verdict

_OtherResult = SparkResult | PathOutcomes | ProfileResult

_STATES: dict[State, Literal["clean", "race", "broken"]] = {
    State.CLEAN: "clean",
    State.RACE: "race",
    State.BROKEN: "broken",
}

_OUTCOMES = {Verdict.PASSED: "passed", Verdict.BROKEN_AS_KNOWN: "known", Verdict.FAILED: "broken"}


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A report that was read: its folder, its run, the digest of its results, and where it is kept."""

    folder: Path
    run: RunResult
    digest: str
    source: str

    @property
    def day(self) -> str:
        """The day of the run, as rows have it."""
        return f"{self.run.started:%Y-%m-%d}"


def kept(folder: Path, source: str) -> Kept:
    """Read the report in a folder; `source` says where it is kept. Raises UsageError for an unreadable one."""
    file = folder / RESULTS
    try:
        digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        return Kept(folder=folder, run=read(file), digest=digest, source=source)
    except (OSError, ValueError) as unreadable:
        raise UsageError(f"{file} cannot be read: {str(unreadable).splitlines()[0]}", "give a report's folder") from (
            unreadable
        )


def files(report: Kept, usual: Mapping[str, str]) -> dict[str, str]:
    """Name of a file in charts/ → the rows of a report for it, as they are written there. `usual` as in `spark_rows`.

    A run may have upgrades and installs, so that its rows belong to several files. Raises UsageError where it has none.
    """
    found: dict[str, Sequence[Result | _OtherResult]] = {
        "profile-results.toml": profile_rows(report),
        "spark-results.toml": spark_rows(report, usual),
        "results.toml": rows(report),
    }
    made = {name: toml(it) for name, it in found.items() if it}
    if not made:
        raise UsageError(
            f"{report.folder} has no install with a verdict about a Spark version, and no upgrade of which every "
            "scenario has a result",
            f"run an upgrade with {', '.join(WATCHED)}",
        )
    return made


def rows(report: Kept) -> list[Result]:
    """A row for each upgrade of a report that was looked at in full."""
    run = report.run
    parsed = {it for cell in run.cells if (it := path_names.parse(cell.path)) and it.kind == "upgrade"}
    pairs = sorted({it.releases for it in parsed if len(it.releases) == 2 and _all_published(run, it)})
    looked_at = [Report(folder=str(report.folder), run=run)]
    found = [it for pair in pairs for it in path_results(looked_at, "upgrade", pair) if it.state in _STATES]
    return [_row(it, report) for it in found if it.usual]


def _all_published(run: RunResult, parsed: path_names.Parsed) -> bool:
    """Whether what a path installs can be had by others: nobody has the operator under test of a run."""
    return run.operator is None or run.operator.name not in parsed.releases


def spark_rows(report: Kept, usual: Mapping[str, str]) -> list[SparkResult]:
    """A row for each operator and each Spark version that applications of a report ran on, by installs in one way.

    `usual` are the Spark versions by scenario that its name does not say.
    """
    run = report.run
    ran: dict[tuple[str, str, str], dict[str, set[str]]] = {}
    for cell in run.cells:
        parsed = path_names.parse(cell.path)
        base, _, version = cell.scenario.partition(sparks.MARK)
        if parsed is None or cell.path != f"install-{parsed.releases[0]}" or base not in usual:
            continue
        if not _all_published(run, parsed):
            continue
        if cell.verdict in _OUTCOMES:
            where = (parsed.releases[0], version or usual[base], cell.environment)
            ran.setdefault(where, {}).setdefault(_OUTCOMES[cell.verdict], set()).add(base)
    return [
        SparkResult(
            operator=operator,
            spark=version,
            environment=environment,
            recorded=report.day,
            source=report.source,
            digest=report.digest,
            **{outcome: tuple(sorted(names)) for outcome, names in outcomes.items()},
        )
        for (operator, version, environment), outcomes in ran.items()
    ]


def path_rows(report: Kept) -> list[PathOutcomes]:
    """A row for each environment and path of a report. Raises UsageError for one that has none."""
    ran: dict[tuple[str, str], dict[str, set[str]]] = {}
    for cell in report.run.cells:
        if cell.verdict in _OUTCOMES:
            outcomes = ran.setdefault((cell.environment, cell.path), {})
            outcomes.setdefault(_OUTCOMES[cell.verdict], set()).add(cell.scenario)
    if not ran:
        raise UsageError(f"{report.folder} has no cell with a verdict about the operator", "give another report")
    return [
        PathOutcomes(
            environment=environment,
            path=path,
            recorded=report.day,
            source=report.source,
            digest=report.digest,
            **{outcome: tuple(sorted(names)) for outcome, names in outcomes.items()},
        )
        for (environment, path), outcomes in ran.items()
    ]


def profile_rows(report: Kept) -> list[ProfileResult]:
    """A row for each path of a report with values profiles, also for those without one beside them.

    Nothing where no path has a profile.
    """
    run = report.run
    if not any(it.profile for cell in run.cells if (it := path_names.parse(cell.path))):
        return []
    paths: dict[tuple[str, str], list[CellResult]] = {}
    for cell in run.cells:
        paths.setdefault((cell.path, cell.environment), []).append(cell)
    made = []
    for (path, environment), cells in paths.items():
        checks = [check for cell in cells for check in cell.checks]
        outage, steps, mutated = (_evidence(checks, name) for name in ("outage", "steps", "always-mutated"))
        gap, by = steps.get("lead_gap_s"), mutated.get("passed_by")
        made.append(
            ProfileResult(
                path=path,
                environment=environment,
                recorded=report.day,
                source=report.source,
                digest=report.digest,
                verdict=max((cell.verdict for cell in cells), key=lambda it: it.severity),
                no_leader=gap if isinstance(gap, float) else None,
                refused=_whole(outage.get("outage_ms")),
                passed_by=_whole(by),
            )
        )
    return made


def toml(found: Sequence[Result | _OtherResult]) -> str:
    """The rows as they are written into the file that they are for."""
    return "\n".join("\n".join(["[[result]]", *_lines(row), ""]) for row in found)


def _lines(row: Result | _OtherResult) -> Iterator[str]:
    for key, value in row.model_dump().items():
        if value in (None, "", ()):
            continue
        if isinstance(value, tuple):
            yield f"{key} = [{', '.join(_quoted(it) for it in value)}]"
        else:
            yield f"{key} = {value if isinstance(value, int | float) else _quoted(str(value))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{"".join(it if it.isprintable() else " " for it in escaped)}"'


def _row(found: PathResult, report: Kept) -> Result:
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
        recorded=report.day,
        source=report.source,
        digest=report.digest,
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
