# SPDX-License-Identifier: Apache-2.0
"""Measures a matrix of cells: shared clusters, several at a time, against one cell after the other on fresh clusters.

Both ways are `harness run`; the baseline has `--fresh --jobs 1`. A whole baseline takes hours: `--sample N` runs N of
the cells in each environment that way and reckons the rest from their mean, which is said beside the ratio.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from harness import options as run_options
from harness.bench.outcome import Outcome
from harness.bench.through import harness_run
from harness.errors import HarnessError
from harness.host import pressure
from harness.matrix.model import Cell
from harness.matrix.select import Selection
from harness.report.model import CellResult, RunResult
from harness.report.writer import read
from harness.run.run_host import host
from harness.run.setup import request
from harness.settings import natural, positive
from harness.wording import counted

LIMIT = 0.5
"""The harness must not take more than this part of the time of the baseline."""

QUICK = "two cells on one cluster against one of them"

_ENVIRONMENTS = ("kind-1.34", "kind-1.35", "kind-1.36", "kind-1.37", "k3d-1.34", "k3d-1.35", "k3d-1.36", "k3d-1.37")
_QUICK = Selection(scenarios=("bad-submission", "ttl"))
"""The quickest cells."""
_RUN_SECONDS = 6 * 3600.0
_LOOK_SECONDS = 1.0


@dataclass(kw_only=True)
class Peak:
    """The most that was used above what was used before, in bytes."""

    disk: int = 0
    memory: int = 0


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way through the cells. `accepted` is environment → seconds from Ready to the first application accepted."""

    seconds: float
    cells: Mapping[str, str]
    peak: Peak
    harness_mib: float
    accepted: Mapping[str, float] = field(default_factory=dict)


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--env", action="append", default=[], metavar="NAME", help="environments (default: all eight)")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="scenarios (default: all)")
    parser.add_argument("--jobs", type=positive, default=2, metavar="N", help="clusters in parallel in the harness")
    parser.add_argument(
        "--sample", type=natural, default=0, metavar="N", help="run only N cells per environment for the baseline"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed for the sample of cells")


def run(parsed: argparse.Namespace, console: Console) -> Outcome:
    """Measure both ways. Raises HarnessError when a run ends with anything but passed cells."""
    quick = _QUICK if parsed.quick else Selection(environments=_ENVIRONMENTS)
    selection = replace(
        quick,
        environments=tuple(parsed.env) or quick.environments,
        scenarios=tuple(parsed.scenario) or quick.scenarios,
    )
    asked = request(run_options.RunOptions(selection=selection))
    folders = [asked.settings.cache_dir, host(asked).engine_data]
    cells = asked.cells
    sample = sampled(cells, parsed.sample or (1 if parsed.quick else 0), parsed.seed)
    console.print(f"{counted(len(cells), 'cell')}; baseline: {len(sample)}, one after the other on fresh clusters")
    with tempfile.TemporaryDirectory(prefix="soh-bench-") as scratch:
        shared = _run(Path(scratch) / "shared", [*_words(cells), "--jobs", str(parsed.jobs)], folders)
        console.print(f"shared clusters, {parsed.jobs} in parallel: {shared.seconds:.0f} s")
        apart = _run(Path(scratch) / "apart", [*_words(sample), "--fresh", "--jobs", "1"], folders)
        console.print(f"one after the other: {apart.seconds:.0f} s for {counted(len(sample), 'cell')}")
    baseline = apart.seconds * len(cells) / len(sample)
    console.print(table(shared, apart, cells=len(cells), sample=len(sample), baseline=baseline))
    console.print(accepted_table(shared.accepted))
    whole = len(sample) == len(cells)
    return Outcome(
        ratio=shared.seconds / baseline,
        limit=LIMIT,
        measured={"cells": len(cells), "sample": len(sample), "shared": asdict(shared), "apart": asdict(apart)},
        note="" if whole else f"the baseline is extrapolated from {len(sample)} of {len(cells)} cells",
        judged=not parsed.quick,
    )


def sampled(cells: Sequence[Cell], number: int, seed: int) -> list[Cell]:
    """`number` cells of each environment, the same ones for the same seed; all of them for 0."""
    if not number:
        return list(cells)
    chance = random.Random(seed)  # noqa: S311 - a draw that can be repeated, not a secret
    environments = dict.fromkeys(cell.environment.name for cell in cells)
    chosen: set[str] = set()
    for environment in environments:
        own = [cell.id for cell in cells if cell.environment.name == environment]
        chosen.update(chance.sample(own, min(number, len(own))))
    return [cell for cell in cells if cell.id in chosen]


def accepted(cells: Sequence[CellResult]) -> dict[str, float]:
    """Environment → median seconds from a Ready cluster to the first application that its API server accepted."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        seconds = sum(value for name, value in cell.phases.items() if name.startswith("install-"))
        found.setdefault(cell.environment, []).append(seconds)
    return {environment: round(statistics.median(values), 1) for environment, values in found.items()}


def table(shared: Way, apart: Way, *, cells: int, sample: int, baseline: float) -> Table:
    """Both ways beside each other."""
    shown = Table(title=f"{cells} cells", title_justify="left")
    for title in ("way", "cells", "minutes", "peak disk GB", "peak memory GB", "harness MiB"):
        shown.add_column(title, justify="left" if title == "way" else "right")

    def add(name: str, number: int, seconds: float, way: Way | None) -> None:
        peak = [f"{way.peak.disk / 1e9:.1f}", f"{way.peak.memory / 1e9:.1f}", f"{way.harness_mib:.0f}"] if way else []
        shown.add_row(name, str(number), f"{seconds / 60:.1f}", *peak)

    add("shared clusters", cells, shared.seconds, shared)
    add("fresh clusters, one after the other", sample, apart.seconds, apart)
    if sample != cells:
        add("  extrapolated to all", cells, baseline, None)
    return shown


def accepted_table(seconds: Mapping[str, float]) -> Table:
    """From a Ready cluster to the first application accepted."""
    shown = Table(title="cluster Ready to first SparkApplication accepted", title_justify="left")
    shown.add_column("environment")
    shown.add_column("seconds", justify="right")
    for environment, value in seconds.items():
        shown.add_row(environment, f"{value:.1f}")
    return shown


def _words(cells: Sequence[Cell]) -> list[str]:
    return [word for cell in cells for word in ("--cell", cell.id)]


def _run(folder: Path, words: Sequence[str], disks: Sequence[Path]) -> Way:
    folder.mkdir()
    started = time.monotonic()
    with _peak(disks) as peak:
        done = harness_run(words, reports=folder / "reports", log_file=folder / "harness.log", timeout=_RUN_SECONDS)
    seconds = time.monotonic() - started
    results = folder / "reports" / "latest" / "results.json"
    if not results.exists():
        raise HarnessError(f"the run wrote no results; its output:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    run_result = read(results)
    _require_passed(run_result)
    return Way(
        seconds=round(seconds, 1),
        cells={cell.id: cell.verdict.value for cell in run_result.cells},
        peak=peak,
        harness_mib=run_result.peak_memory_mib or 0.0,
        accepted=accepted(run_result.cells),
    )


def _require_passed(result: RunResult) -> None:
    """Cells that end early would make a run look fast."""
    wrong = [f"{cell.id}: {cell.verdict}: {cell.reason}" for cell in result.cells if cell.verdict.value != "passed"]
    wrong += [f"{name}: no result" for name in result.missing]
    if wrong:
        raise HarnessError("not all cells passed, so nothing is measured:\n" + "\n".join(wrong))


@contextmanager
def _peak(disks: Sequence[Path]) -> Iterator[Peak]:
    """Watch disk and memory during the block."""
    before = pressure.look(disks)
    peak = Peak()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOK_SECONDS):
            now = pressure.look(disks)
            peak.disk = max(peak.disk, before.disk_free - now.disk_free)
            peak.memory = max(peak.memory, before.memory_available - now.memory_available)

    watcher = threading.Thread(target=watch, name="peak", daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()
