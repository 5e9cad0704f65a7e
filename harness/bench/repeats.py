# SPDX-License-Identifier: Apache-2.0
"""What repeats of a selection came to: each cell's verdicts and durations, and all that was not as it should be."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from harness.bench.outcome import machine
from harness.checks.infrastructure import CHECK, Cause
from harness.report.model import GREEN, CellResult, RunResult
from harness.verdicts import Verdict
from harness.wording import counted

FILE = "repeats.json"
"""In the folder of the repeats."""

_OF_HOST = frozenset({Cause.DISK_FULL, Cause.HOST_MEMORY, Cause.HOST_BUSY})
"""What the machine that it ran on is to blame for; the load that a run makes itself is not among it."""
_SHOWN = 300


@dataclass(frozen=True, kw_only=True)
class Repeat:
    """One complete report, in its `folder`."""

    folder: Path
    result: RunResult

    @property
    def seconds(self) -> float:
        """From its start to its end."""
        return (self.result.ended - self.result.started).total_seconds() if self.result.ended else 0.0

    @property
    def retried(self) -> int:
        """The cells that were tried once more."""
        return sum(bool(cell.retries) for cell in self.result.cells)

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {verdict}" for verdict, number in self.result.counts.items())
        again = f", {self.retried} tried once more" if self.retried else ""
        return f"{counts}{again} in {self.seconds:.0f} s: {self.folder}"


@dataclass(frozen=True, kw_only=True)
class Other:
    """What was neither passed nor broken as known, in the n-th repeat; it `counts` against the whole or not."""

    number: int
    cell: str
    told: str
    reason: str
    counts: bool


@dataclass(frozen=True, kw_only=True)
class RepeatOutcome:
    """The repeats so far of those that are `asked` for, each beside so many programs that never rest. What was only
    tried is not `judged`."""

    repeats: Sequence[Repeat]
    asked: int = 0
    under_load: int = 0
    judged: bool = True

    @property
    def others(self) -> list[Other]:
        """All that was neither passed nor broken as known, and what was tried again."""
        return [other for number, it in enumerate(self.repeats, 1) for other in _others(number, it.result)]

    @property
    def holds(self) -> bool:
        """Whether no cell was failed, no error without the host as its cause, and nothing was left behind."""
        return not self.judged or not any(other.counts for other in self.others)

    def __str__(self) -> str:
        cells = [cell for it in self.repeats for cell in it.result.cells]
        green = sum(cell.verdict in GREEN for cell in cells)
        wrong = sum(other.counts for other in self.others)
        beside = f" beside {self.under_load} programs that never rest" if self.under_load else ""
        number = len(self.repeats)
        count = f"{number} of {self.asked}" if number < self.asked else f"{number}"
        message = f"{count} repeats{beside}: {green} of {len(cells)} results are passed or broken as known"
        verdict = f"{wrong} are wrong" if wrong else "every other one names the host" if green < len(cells) else ""
        return f"{message}{f'; {verdict}' if verdict else ''}"

    def write(self, folder: Path) -> None:
        """Write everything as JSON into the folder of the repeats."""
        document = {
            "machine": machine(),
            "under_load": self.under_load,
            "judged": self.judged,
            "asked": self.asked,
            "holds": self.holds,
            "seconds": [round(it.seconds, 1) for it in self.repeats],
            "reports": [str(it.folder) for it in self.repeats],
            "cells": {
                name: {"verdicts": _counts(found), "retried": _retried(found), "seconds": _spread(found)}
                for name, found in _by_cell(self.repeats).items()
            },
            "others": [vars(other) for other in self.others],
        }
        (folder / FILE).write_text(json.dumps(document, indent=2) + "\n")


def counts_table(repeats: Sequence[Repeat]) -> Table:
    """Cells by verdicts, with how long they took."""
    shown = Table(title=counted(len(repeats), "repeat"), title_justify="left")
    shown.add_column("cell", overflow="fold")
    for title in (*(verdict.value for verdict in Verdict), "tried twice", "min s", "median s", "max s"):
        shown.add_column(title, justify="right")
    for name, found in _by_cell(repeats).items():
        counts = _counts(found)
        numbers = [str(counts[verdict.value] or "") for verdict in Verdict]
        shown.add_row(name, *numbers, str(_retried(found) or ""), *[f"{it:.0f}" for it in _spread(found).values()])
    if not repeats:
        return shown
    whole = [it.seconds for it in repeats]
    ends = [f"{it:.0f}" for it in (min(whole), statistics.median(whole), max(whole))]
    shown.add_row("the whole run", *[""] * len(Verdict), str(sum(it.retried for it in repeats) or ""), *ends)
    return shown


def others_table(others: Sequence[Other]) -> Table:
    """What was not as it should be, and why."""
    shown = Table(title="neither passed nor broken as known", title_justify="left")
    for title in ("repeat", "cell", "told", "reason"):
        shown.add_column(title, overflow="fold", justify="right" if title == "repeat" else "left")
    for it in others:
        reason = it.reason.replace("\n", " ")
        shown.add_row(str(it.number), it.cell, it.told, f"{reason[:_SHOWN]}…" if len(reason) > _SHOWN else reason)
    return shown


def _others(number: int, result: RunResult) -> Iterator[Other]:
    for cell in result.cells:
        for retry in cell.retries:
            # The load that a run makes itself is a mistake of the harness, whatever the second try came to.
            counts = retry.cause == Cause.OWN_LOAD
            yield Other(
                number=number, cell=cell.name, told=f"tried twice: {retry.cause}", reason=retry.message, counts=counts
            )
        if cell.verdict not in GREEN:
            yield Other(
                number=number, cell=cell.name, told=cell.verdict.value, reason=cell.reason, counts=_is_wrong(cell)
            )
    for left in result.leaks:
        yield Other(number=number, cell="", told="left behind", reason=left, counts=True)


def _is_wrong(cell: CellResult) -> bool:
    """Whether a result that is not green counts against the whole."""
    if cell.verdict is Verdict.ERROR:
        return not any(
            it.name == CHECK and it.verdict is Verdict.ERROR and it.evidence.get("cause") in _OF_HOST
            for it in cell.checks
        )
    # What an input is lacking for was not tried, and so is nothing that a repeat could show.
    return True


def _by_cell(repeats: Sequence[Repeat]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for it in repeats:
        for cell in it.result.cells:
            found.setdefault(cell.id, []).append(cell)
    return dict(sorted(found.items()))


def _counts(cells: Sequence[CellResult]) -> Mapping[str, int]:
    return {verdict.value: sum(cell.verdict is verdict for cell in cells) for verdict in Verdict}


def _retried(cells: Sequence[CellResult]) -> int:
    return sum(bool(cell.retries) for cell in cells)


def _spread(cells: Sequence[CellResult]) -> Mapping[str, float]:
    seconds = [cell.seconds for cell in cells]
    return {"min": min(seconds), "median": round(statistics.median(seconds), 1), "max": max(seconds)}
