# SPDX-License-Identifier: Apache-2.0
"""Measures the source upstream in a small internet whose registries are 30 ms away, at 100 MB/s in all.

The smoke against the same by hand (kind create, docker pull, kind load, helm install, …): cold, with nothing on the
machine; and warm, with the images pulled before. And the default selection, whose second run is measured against one
in which each cluster pulls for itself. Run as `nox -s bench -- upstream`, as root.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from harness import process, settings
from harness.bench.outcome import Outcome, machine
from harness.bench.upstream_ways import Ways
from harness.errors import HarnessError, UsageError
from harness.internet import host
from harness.internet.content import Content
from harness.internet.link import Link
from harness.matrix import catalogue
from harness.settings import positive

LIMITS: Mapping[str, float] = {"cold": 0.8, "warm": 0.6, "default": 0.45}
"""Each comparison, and what it must not come to."""

QUICK = "the smoke once in each way, without the default selection"

_LINK = Link(megabytes=100.0, milliseconds=30.0)
_BOOTSTRAP_SECONDS = 600.0
_FILE = "bench-upstream.json"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Comparisons by their names, each with its limit; `link` says how far away the registries were."""

    outcomes: Mapping[str, Outcome]
    link: str

    @property
    def holds(self) -> bool:
        """Whether all do."""
        return all(it.holds for it in self.outcomes.values())

    def __str__(self) -> str:
        return "\n".join([*(f"{name}: {it}" for name, it in self.outcomes.items()), f"over {self.link}"])

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        document = {name: asdict(it) for name, it in self.outcomes.items()}
        file.write_text(json.dumps({"machine": machine(), "link": self.link, "outcomes": document}, indent=2) + "\n")


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--runs", type=positive, default=1, help="how often the smoke is run in each way")
    parser.add_argument(
        "--only",
        choices=("smoke", "default"),
        help="the smoke, cold and warm, or the default selection (default: both)",
    )
    parser.add_argument(
        "--here",
        metavar="DISTANCE",
        help="this is a machine in the small internet already, whose registries are so far away",
    )


def run(parsed: argparse.Namespace, console: Console) -> Compared:
    """Measure and print. Raises HarnessError when a way does not reach its end."""
    if parsed.here:
        return _here(parsed, console)
    wanted = settings.load()
    words = [sys.executable, "-m", "harness.bench", "upstream", "--here", str(_LINK), "--runs", str(parsed.runs)]
    words += [*(("--quick",) if parsed.quick else ()), *(("--only", parsed.only) if parsed.only else ())]
    with tempfile.TemporaryDirectory(prefix="soh-bench-") as scratch:
        status = host.run(
            wanted,
            Content.of(wanted, catalogue.of(wanted)),
            say=console.print,
            output=Path(scratch),
            argv=words,
            link=_LINK,
        )
        file = Path(scratch) / "reports" / _FILE
        if not file.is_file():
            raise HarnessError(f"the measurements in the small internet ended with status {status}", "see above")
        return read(json.loads(file.read_text()))


def read(document: Mapping[str, Any]) -> Compared:
    """What `Compared.write` wrote."""
    outcomes = {name: Outcome(**it) for name, it in document["outcomes"].items()}
    return Compared(outcomes=outcomes, link=document["link"])


def _here(parsed: argparse.Namespace, console: Console) -> Compared:
    """The same in the machine, whose caches and engine are nobody else's. A bootstrap starts the engine."""
    wanted = settings.load()
    if not wanted.rehearsed:
        raise UsageError("this machine is not in the small internet", "leave out --here")
    outcomes: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="soh-bench-") as scratch:
        process.call([sys.executable, "-m", "harness.cli", "bootstrap"], timeout=_BOOTSTRAP_SECONDS)
        ways = Ways(Path(scratch), say=console.print)
        if parsed.only != "default":
            for name, (ratio, measured) in ways.smoke(1 if parsed.quick else parsed.runs).items():
                outcomes[name] = _outcome(name, ratio, measured, judged=not parsed.quick)
        if parsed.only != "smoke" and not parsed.quick:
            outcomes["default"] = _outcome("default", *ways.default(), judged=True)
    found = Compared(outcomes=outcomes, link=parsed.here)
    wanted.reports_dir.mkdir(parents=True, exist_ok=True)
    found.write(wanted.reports_dir / _FILE)
    return found


def _outcome(name: str, ratio: float, measured: Mapping[str, Any], *, judged: bool) -> Outcome:
    return Outcome(ratio=ratio, limit=LIMITS[name], measured=measured, judged=judged)
