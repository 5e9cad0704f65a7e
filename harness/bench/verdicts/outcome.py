# SPDX-License-Identifier: Apache-2.0
"""What became of each row: a fault is caught or missed, a harmless change is quiet or alarms; and the table of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from harness import causes
from harness.bench.outcome import machine
from harness.bench.verdicts.catalogue import Fault, Row
from harness.errors import UsageError
from harness.report.files import write_atomically
from harness.verdicts import Finding, Verdict, worst

_QUIET = frozenset({Verdict.PASSED, Verdict.BROKEN_AS_KNOWN, Verdict.UNAVAILABLE})
_SHOWN = 160


class Fate(StrEnum):
    """What became of a row."""

    CAUGHT = "caught"
    MISSED = "missed"
    QUIET = "quiet"
    ALARM = "false alarm"
    UNTRIED = "not tried"


@dataclass(frozen=True, kw_only=True)
class Result:
    """A row as it went on the `day`. `trouble` is why it could not be tried; `left` is what was not as before
    afterwards."""

    row: Row
    findings: Sequence[Finding] = ()
    seconds: float = 0.0
    trouble: str = ""
    left: tuple[str, ...] = ()
    day: str = ""

    @property
    def undone(self) -> bool:
        """Whether the cluster was as before afterwards."""
        return not self.left

    @property
    def fate(self) -> Fate:
        """What became of it."""
        if self.trouble or not self.findings:
            return Fate.UNTRIED
        if isinstance(self.row, Fault):
            return Fate.CAUGHT if self.told else Fate.MISSED
        return Fate.ALARM if self.told else Fate.QUIET

    @property
    def told(self) -> Finding | None:
        """The finding that catches the fault, or the first that alarms."""
        wanted = _catches if isinstance(self.row, Fault) else _alarms
        return next((it for it in self.findings if wanted(self.row, it)), None)

    @property
    def verdict(self) -> Verdict:
        """That of a cell with these findings."""
        return worst(self.findings)

    @property
    def words(self) -> str:
        """What to show of it."""
        told = self.told
        if self.trouble:
            return self.trouble
        if told:
            return f"{told.check}: {told.message}"
        return "; ".join(f"{it.check}: {it.message}" for it in self.findings if it.verdict not in _QUIET)


@dataclass(frozen=True, kw_only=True)
class VerdictsOutcome:
    """The rows so far, of so many that were `asked` for."""

    results: Sequence[Result]
    asked: int

    @property
    def holds(self) -> bool:
        """Whether every fault was caught and no harmless change alarmed."""
        return 0 < len(self.results) == self.asked and all(it.fate in (Fate.CAUGHT, Fate.QUIET) for it in self.results)

    def __str__(self) -> str:
        fates = [it.fate for it in self.results]
        faults = sum(isinstance(it.row, Fault) for it in self.results)
        message = f"{fates.count(Fate.CAUGHT)} of {faults} faults caught, {fates.count(Fate.ALARM)} false alarms of "
        untried = fates.count(Fate.UNTRIED) + self.asked - len(fates)
        return f"{message}{len(fates) - faults} harmless changes{f', {untried} not tried' if untried else ''}"

    def write(self, file: Path) -> None:
        """Write everything as JSON; a file that is there is replaced in one step."""
        rows = [_facts(it) for it in self.results]
        document = {"machine": machine(), "asked": self.asked, "holds": self.holds, "rows": rows}
        write_atomically(file, json.dumps(document, indent=2) + "\n")


class _Finding(BaseModel):
    model_config = ConfigDict(extra="forbid")

    check: str
    verdict: Verdict
    message: str


class _Kept(BaseModel):
    """What a file has of a row."""

    name: str
    of: str
    day: str
    seconds: float
    trouble: str
    left: tuple[str, ...]
    findings: tuple[_Finding, ...]


class _File(BaseModel):
    rows: tuple[_Kept, ...]


def kept(file: Path, rows: Iterable[Row]) -> list[Result]:
    """What a file has of these rows; not of one that was not tried, or that has been another one since.

    Nothing for a file that is not there. Raises UsageError for one that is something else.
    """
    if not file.exists():
        return []
    try:
        found = {it.name: it for it in _File.model_validate_json(file.read_bytes()).rows}
    except (OSError, ValidationError) as foreign:
        raise UsageError(
            f"{file} does not have results of verdicts on trial: {foreign}", "give --output another file"
        ) from foreign
    there = [(row, found[row.name]) for row in rows if row.name in found]
    results = [
        Result(
            row=row,
            findings=[Finding(check=it.check, verdict=it.verdict, message=it.message) for it in had.findings],
            seconds=had.seconds,
            trouble=had.trouble,
            left=had.left,
            day=had.day,
        )
        for row, had in there
        if had.of == digest(row)
    ]
    return [it for it in results if it.fate is not Fate.UNTRIED]


def digest(row: Row) -> str:
    """What tells a row from itself after a change of what is planted, or of what is wanted."""
    return hashlib.sha256(row.model_dump_json().encode()).hexdigest()


def table(results: Sequence[Result]) -> Table:
    """A line for each row."""
    shown = Table(title="verdicts", title_justify="left")
    for title in ("row", "fate", "cell", "told", "s"):
        shown.add_column(title, justify="right" if title == "s" else "left", overflow="fold")
    for it in results:
        words = it.words.replace("\n", " ")
        brief = causes.shortened(words, _SHOWN)
        shown.add_row(it.row.name, it.fate.value, it.verdict.value, brief, f"{it.seconds:.0f}")
    return shown


def _catches(row: Row, finding: Finding) -> bool:
    return (
        isinstance(row, Fault)
        and finding.check == row.check
        and finding.verdict is row.verdict
        and re.search(row.says, finding.message) is not None
    )


def _alarms(row: Row, finding: Finding) -> bool:
    return finding.verdict not in _QUIET


def _facts(result: Result) -> dict[str, Any]:
    row = result.row
    wanted = {"check": row.check, "verdict": row.verdict, "says": row.says} if isinstance(row, Fault) else {}
    return {
        "name": row.name,
        "of": digest(row),
        "day": result.day,
        "kind": "fault" if isinstance(row, Fault) else "harmless",
        "what": row.what,
        "wanted": wanted,
        "fate": result.fate,
        "cell": result.verdict,
        "trouble": result.trouble,
        "left": result.left,
        "seconds": round(result.seconds, 1),
        "findings": [{"check": it.check, "verdict": it.verdict, "message": it.message} for it in result.findings],
    }
