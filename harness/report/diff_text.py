# SPDX-License-Identifier: Apache-2.0
"""The comparison of two reports as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.diff import CellDiff, Change, Diff, FigureDiff, Rate
from harness.report.figures import Spread
from harness.report.text import first_line, plain
from harness.wording import counted

_STYLES = {Change.WORSE: "bold red", Change.BETTER: "green", Change.OTHER: "yellow", Change.UNSURE: "dim"}
_ORDER = list(Change)


def terminal(diff: Diff, console: Console, *, whole: bool = False) -> None:
    """Print what changed, the worst last, so that it stays in sight; with `whole`, also what did not."""
    for line in diff.otherwise:
        console.print(Text(f"not the same: {plain(line)}"), soft_wrap=True)
    _cells([it for it in diff.cells if whole or it.change is not Change.SAME], console)
    _figures([it for it in diff.figures if whole or it.change in (Change.WORSE, Change.BETTER)], console)
    unsure = sum(it.change is Change.UNSURE for it in diff.figures)
    if unsure and not whole:
        console.print(
            Text(f"{unsure} more figures moved, but not beyond what attempts differ by; --all shows them"),
            soft_wrap=True,
        )
    for name in diff.new:
        console.print(Text(f"only in the second: {name}"), soft_wrap=True)
    for name in diff.gone:
        console.print(Text(f"only in the first: {name}", style="bold magenta"), soft_wrap=True)
    console.print(Text(headline(diff), style="bold red" if diff.worse else "bold"), soft_wrap=True)


def headline(diff: Diff) -> str:
    """One line: how many cells and figures are worse, better, otherwise and the same."""
    cells, figures = (
        ", ".join(f"{number} {change}" for change in Change if (number := sum(it.change is change for it in some)))
        for some in (diff.cells, diff.figures)
    )
    both = len(diff.cells)
    return f"{counted(both, 'cell')} in both: {cells or 'none'}; figures: {figures or 'none'}"


def as_json(diff: Diff) -> dict[str, Any]:
    """The comparison for programs: the fields of `harness.report.diff.Diff`, and `worse`."""
    return {**asdict(diff), "worse": diff.worse, "unproved": list(diff.unproved)}


def _cells(some: list[CellDiff], console: Console) -> None:
    if not some:
        return
    table = Table(title="cells", title_justify="left")
    for name in ("cell", "change", "before", "after", "reason"):
        table.add_column(name, overflow="fold")
    for it in sorted(some, key=lambda it: -_ORDER.index(it.change)):
        change = Text(it.change.value, style=_STYLES.get(it.change, ""))
        table.add_row(Text(it.id), change, _rate(it.before), _rate(it.after), Text(first_line(it.reason)))
    console.print(table)


def _rate(rate: Rate) -> str:
    if rate.counted < 2:
        return rate.verdict.value
    return f"{rate.failed} of {rate.counted} failed ({rate.low * 100:.0f}\u2013{rate.high * 100:.0f} %)"


def _figures(some: list[FigureDiff], console: Console) -> None:
    if not some:
        return
    table = Table(
        title="figures: median (95 % interval, or lowest to highest below six attempts)", title_justify="left"
    )
    for name in ("cell", "figure", "change", "before", "after"):
        table.add_column(name, overflow="fold")
    for it in sorted(some, key=lambda it: -_ORDER.index(it.change)):
        change = Text(it.change.value, style=_STYLES.get(it.change, ""))
        unit = it.figure.unit
        table.add_row(Text(it.id), Text(plain(str(it.figure))), change, spread(it.before, unit), spread(it.after, unit))
    console.print(table)


def spread(values: Spread, unit: str) -> str:
    """`2.1 s (1.9 to 2.4)`; of one attempt only the value, and of few `?` after the interval, which is not sure."""
    told = f"{values.median:g} {unit}".rstrip()
    if values.count == 1:
        return f"{told} (once)"
    return f"{told} ({values.low:g} to {values.high:g}{'' if values.sure else ', of ' + str(values.count)})"
