# SPDX-License-Identifier: Apache-2.0
"""Measures an upgrade of the operator with many applications stored: 50, 500 and 2,000, and 100 schedules.

kwok plays the node on which the drivers of running applications are; API server, operator and upgrade are real. What
the operator needs is reported, and not judged. Of the harness, its memory and its processor time by application are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import options as run_options
from harness.bench.outcome import machine
from harness.bench.scale import chart
from harness.bench.scale.crowd import crowd
from harness.bench.scale.upgrade import Step, measure
from harness.bench.site import site
from harness.evidence.ledger import new_run_id
from harness.matrix.select import Selection
from harness.run.resources import Resources
from harness.run.run_host import host
from harness.run.setup import request
from harness.settings import positive

COUNTS = (50, 500, 2000)
CELL = "kind-1.34/upgrade-2.4.0-2.5.2+crds=none/operator-health"
QUICK = "50 applications"
OUTPUT = "write the measurements to this JSON file, and the chart beside it as .svg"

MEMORY_MIB = 300.0
"""The most that the harness may use at the largest count."""

GROWTH = 1.25
"""How much more processor time by application the largest count may cost than the one before it: linear, and noise."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """What was measured, a step for each count of applications."""

    steps: tuple[Step, ...]
    judged: bool

    @property
    def growth(self) -> float:
        """The harness's processor time by application at the largest count, over that at the one before it."""
        if len(self.steps) < 2:
            return 1.0
        before, last = (it.own_cpu_s / it.applications for it in self.steps[-2:])
        return last / before

    @property
    def holds(self) -> bool:
        """Whether nothing ran twice, and the harness stayed within its limits."""
        right = not any(it.twice or it.lost for it in self.steps)
        within = self.steps[-1].own_mib <= MEMORY_MIB and self.growth <= GROWTH
        return right and (within or not self.judged)

    def __str__(self) -> str:
        twice, lost = (sum(getattr(it, name) for it in self.steps) for name in ("twice", "lost"))
        limits = f"at most {MEMORY_MIB:.0f} MiB and {GROWTH}" if self.judged else "no limit is checked with --quick"
        return (
            f"{twice} run twice, {lost} lost; the harness: {self.steps[-1].own_mib:.0f} MiB, "
            f"{self.growth:.2f} times the processor time by application ({limits})"
        )

    def write(self, file: Path) -> None:
        """Write everything as JSON, and the chart."""
        document = {"machine": machine(), "judged": self.judged, "steps": [asdict(it) for it in self.steps]}
        file.write_text(json.dumps(document, indent=2) + "\n")
        file.with_suffix(".svg").write_text(chart.draw(self.steps))


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--applications",
        action="append",
        type=positive,
        default=[],
        metavar="N",
        help="how many (repeatable; 50, 500, 2000)",
    )


def run(parsed: argparse.Namespace, console: Console) -> Scale:
    """Measure and print the table. Raises HarnessError when there is no cluster, or an upgrade does not end."""
    counts = sorted(parsed.applications) or (COUNTS[:1] if parsed.quick else COUNTS)
    asked = request(run_options.RunOptions(selection=Selection(cells=(CELL,))))
    found = host(asked)
    steps: list[Step] = []

    def say(line: str) -> None:
        console.print(line, highlight=False, markup=False)

    resources = Resources(new_run_id(), asked, found, say)
    try:
        resources.open()
        for number, count in enumerate(counts, 1):
            with site(number, asked, found, resources, say) as on, crowd(on, count, say) as there:
                steps.append(measure(on, there, say))
    finally:
        resources.close()
    console.print(table(steps))
    return Scale(steps=tuple(steps), judged=not parsed.quick)


_COLUMNS: Mapping[str, str] = {
    "applications": "applications",
    "running": "running",
    "gap_s": "no leader (s)",
    "settled_s": "settled (s)",
    "reconcile_ms": "reconcile (ms)",
    "controller_mib": "controller (MiB)",
    "requests": "requests",
    "twice": "run twice",
    "lost": "lost",
    "own_mib": "harness (MiB)",
    "own_cpu_s": "harness (CPU s)",
}


def table(steps: Sequence[Step]) -> Table:
    """A line for each count."""
    shown = Table(title="upgrade 2.4.0 → 2.5.2 by stored applications", title_justify="left")
    for title in _COLUMNS.values():
        shown.add_column(title, justify="right")
    for it in steps:
        shown.add_row(*(_told(getattr(it, name)) for name in _COLUMNS))
    return shown


def _told(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
