# SPDX-License-Identifier: Apache-2.0
"""Measures `harness audit docs` against `grep -rIlE` for the same names in the same tree: processor time, and memory.

Both take turns, and the figure is the median of the ratios of each pair. Run as `nox -s bench -- audit`.
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import harness
from harness import process
from harness.audit.homes import Homes
from harness.bench.outcome import Outcome
from harness.errors import HarnessError, UsageError
from harness.matrix import catalogue
from harness.report.median import METHOD, median
from harness.settings import positive
from harness.wording import counted

LIMIT = 3.0
"""The audit must not take more than this multiple of grep's processor time."""

MEMORY_MIB = 150.0
"""Nor more memory than this."""

QUICK = "one pair, over the harness's own files"

_SECONDS = 1800.0
# The peak of this very program: what the system says of children counts what they were before they were themselves.
_PROGRAM = """\
import sys
from harness.cli import main
status = main(sys.argv[1:])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(peak.split()[1], file=sys.stderr)
sys.exit(status)
"""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One of each: processor time in seconds, peak memory in MiB, and the length of the audit's last line."""

    grep: float
    audit: float
    peak_mib: float
    summary: int

    @property
    def ratio(self) -> float:
        """The audit's processor time by that of grep."""
        return self.audit / self.grep if self.grep else float("inf")


@dataclass(frozen=True, kw_only=True)
class AuditOutcome(Outcome):
    """It holds if the peak of memory is within its limit as well."""

    peak_mib: float

    @property
    def holds(self) -> bool:
        """Whether both are within their limits, or are not judged."""
        return super().holds and (not self.judged or self.peak_mib <= MEMORY_MIB)

    def __str__(self) -> str:
        return f"{super().__str__()}; peak {self.peak_mib:.0f} MiB (at most {MEMORY_MIB:.0f})"


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--tree", type=Path, metavar="DIR", help="the tree (default: the cache of Go's modules)")
    parser.add_argument("--runs", type=positive, default=7, help="pairs")


def run(parsed: argparse.Namespace, console: Console) -> Outcome:
    """Measure and print the table. Raises HarnessError when a way does not reach its end, UsageError without a tree."""
    tree = parsed.tree or (Path(harness.__file__).parent if parsed.quick else _module_cache())
    if not tree.is_dir():
        raise UsageError(f"--tree {tree} is no folder", "give the folder that both are to search")
    pairs = [_pair(tree) for _ in range(1 if parsed.quick else parsed.runs)]
    console.print(table(tree, pairs))
    found = median([it.ratio for it in pairs])
    return AuditOutcome(
        ratio=found.median,
        limit=LIMIT,
        measured={
            "tree": str(tree),
            "pairs": [asdict(it) for it in pairs],
            "interval": asdict(found),
            "method": METHOD,
        },
        judged=not parsed.quick,
        peak_mib=max(it.peak_mib for it in pairs),
    )


def table(tree: Path, pairs: Sequence[Pair]) -> Table:
    """The medians with the lowest and the highest."""
    shown = Table(title=f"{tree}, {counted(len(pairs), 'pair')}", title_justify="left")
    for title in ("what", "median", "lowest", "highest"):
        shown.add_column(title, justify="left" if title == "what" else "right")
    rows = {
        "grep -rIlE, processor seconds": [it.grep for it in pairs],
        "harness audit docs, processor seconds": [it.audit for it in pairs],
        "ratio of each pair": [it.ratio for it in pairs],
        "harness audit docs, peak MiB": [it.peak_mib for it in pairs],
        "length of the summary, characters": [float(it.summary) for it in pairs],
    }
    for name, values in rows.items():
        shown.add_row(name, *(f"{it:.2f}" for it in (median(values).median, min(values), max(values))))
    return shown


def _pair(tree: Path) -> Pair:
    homes = Homes(catalogue.load().releases)
    names = {*homes.repositories, *(it.repository for it in homes.history.homes)}
    names |= {it.address for it in homes.history.helm}
    grep, _, _ = _timed(["grep", "-rIlE", "|".join(sorted(map(re.escape, names))), tree])
    seconds, out, err = _timed([sys.executable, "-c", _PROGRAM, "audit", "docs", tree])
    return Pair(
        grep=grep, audit=seconds, peak_mib=int(err.split()[-1]) / 1024, summary=len(out.rstrip().rpartition("\n")[2])
    )


def _timed(argv: Sequence[str | Path]) -> tuple[float, str, str]:
    """Processor seconds of a program and its children, and what it printed. 1 is no failure of either of the two."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = process.call(argv, timeout=_SECONDS, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 1):
        raise HarnessError(
            f"{process.shown([str(it) for it in argv])} ended with {done.returncode}: {done.stderr[-500:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout, done.stderr


def _module_cache() -> Path:
    cache = Path(process.call(["go", "env", "GOMODCACHE"], timeout=60.0).stdout.strip())
    if not cache.is_dir():
        raise UsageError(f"{cache} does not exist, so there is no large tree to measure", "name one with --tree")
    return cache
