# SPDX-License-Identifier: Apache-2.0
"""What became of each row: a fault is caught or missed, a harmless change is quiet or alarms; and the table of it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.table import Table

from harness import causes
from harness.bench.outcome import machine
from harness.bench.verdicts.catalogue import Fault, Row
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
    """A row as it went. `trouble` is why it could not be tried; `left` is what was not as before afterwards."""

    row: Row
    findings: Sequence[Finding] = ()
    seconds: float = 0.0
    trouble: str = ""
    left: tuple[str, ...] = ()

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
        """Write everything as JSON."""
        rows = [_facts(it) for it in self.results]
        file.write_text(json.dumps({"machine": machine(), "holds": self.holds, "rows": rows}, indent=2) + "\n")


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


def _facts(result: Result) -> dict[str, object]:
    row = result.row
    wanted = {"check": row.check, "verdict": row.verdict, "says": row.says} if isinstance(row, Fault) else {}
    return {
        "name": row.name,
        "kind": "fault" if isinstance(row, Fault) else "harmless",
        "what": row.what,
        "wanted": wanted,
        "fate": result.fate,
        "cell": result.verdict,
        "trouble": result.trouble,
        "undone": result.undone,
        "seconds": round(result.seconds, 1),
        "findings": [
            {"check": it.check, "verdict": it.verdict, "message": it.message}
            for it in result.findings
            if it.verdict is not Verdict.PASSED
        ],
    }
