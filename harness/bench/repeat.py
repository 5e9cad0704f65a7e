# SPDX-License-Identifier: Apache-2.0
"""Runs the default selection again and again, and sums up what each cell came to and how long it took.

Run as `nox -s repeat`. A cell that passes once may have passed by luck. With `--under-load K`, K programs that never
rest take the processors meanwhile. No cell may be `failed`, and an `error` must name the host as its cause. After an
interruption, the same command with the same `--output FOLDER` goes on with what is missing.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console

from harness import __version__, process
from harness.bench.repeats import Repeat, RepeatOutcome, counts_table, others_table
from harness.bench.through import harness_run
from harness.errors import HarnessError, UsageError
from harness.report.files import write_atomically
from harness.report.writer import read
from harness.settings import natural, positive

QUICK = "the quickest cell, twice, the second time beside one program that never rests"

OUTPUT = "keep every report in this folder, and go on with the repeats that are there"
"""What --output means here."""

QUICK_SCENARIO = "bad-submission"

_RUN_SECONDS = 3600.0
_TIMES = 20
_ASKED = "asked.json"

# It ends by itself, also when whoever started it was killed.
_RESTLESS = """
import os, sys, time
end, parent = time.monotonic() + float(sys.argv[1]), int(sys.argv[2])
while time.monotonic() < end and os.getppid() == parent:
    for _ in range(1000000):
        pass
"""


class Asked(BaseModel):
    """What the repeats in a folder are of; those of anything else do not belong to them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    words: tuple[str, ...]
    under_load: int = Field(ge=0)
    version: str


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--times", type=positive, default=_TIMES, metavar="N", help=f"how often (default: {_TIMES})")
    parser.add_argument(
        "--more",
        type=natural,
        default=None,
        metavar="N",
        help="add at most N runs to those there (default: all)",
    )
    parser.add_argument(
        "--under-load",
        type=natural,
        default=0,
        metavar="K",
        help="programs that never rest beside each (default: 0)",
    )
    parser.add_argument("--jobs", type=positive, default=2, metavar="N", help="clusters in parallel (default: 2)")
    parser.add_argument(
        "--cell", action="append", default=[], metavar="ID", help="instead of the default selection (repeatable)"
    )


def run(parsed: argparse.Namespace, console: Console) -> RepeatOutcome:
    """Repeat and print the tables. Raises UsageError, and HarnessError when a run writes no results."""
    selected = [word for cell in parsed.cell for word in ("--cell", cell)]
    if parsed.quick and not selected:
        selected = ["--scenario", QUICK_SCENARIO]
    words = ("--jobs", str(parsed.jobs), *selected)
    loads = [0, 1] if parsed.quick else [parsed.under_load] * parsed.times
    with ExitStack() as stack:
        folder = parsed.output
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="soh-repeat-")))
        _agree(folder, Asked(words=words, under_load=max(loads), version=__version__))
        outcome = _repeated(folder, words, loads, parsed, console)
    console.print(counts_table(outcome.repeats))
    if outcome.others:
        console.print(others_table(outcome.others))
    return outcome


def _repeated(
    folder: Path, words: Sequence[str], loads: Sequence[int], parsed: argparse.Namespace, console: Console
) -> RepeatOutcome:
    """All repeats that are there at the end. What is known is written after each."""
    more = len(loads) if parsed.more is None else parsed.more
    found: list[Repeat] = []
    for number, load in enumerate(loads, 1):
        which, kept = f"{number} of {len(loads)}", folder / f"{number:03d}"
        there = _complete(kept)
        if there is not None:
            console.print(f"repeat {which}: is there already, in {there.folder}", highlight=False, soft_wrap=True)
            found.append(there)
        elif more > 0:
            more -= 1
            found.append(_once(kept, words, load, which, console))
            if parsed.output:
                _outcome(found, loads, parsed).write(folder)
    return _outcome(found, loads, parsed)


def _outcome(found: Sequence[Repeat], loads: Sequence[int], parsed: argparse.Namespace) -> RepeatOutcome:
    return RepeatOutcome(repeats=tuple(found), asked=len(loads), under_load=max(loads), judged=not parsed.quick)


def _agree(folder: Path, asked: Asked) -> None:
    """Make the folder, or see that it has repeats of just this. Raises UsageError, HarnessError."""
    file = folder / _ASKED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            write_atomically(file, asked.model_dump_json(indent=2) + "\n")
            return
        before = Asked.model_validate_json(file.read_text())
    except OSError as unusable:
        raise UsageError(f"--output {folder} cannot be used: {unusable.strerror}", "give another folder") from unusable
    except ValidationError as foreign:
        raise UsageError(f"{file} is not of a repeat: {foreign}", "give --output another folder") from foreign
    if before != asked:
        raise UsageError(
            f"{folder} has repeats of something else: {before.model_dump_json()}, and not {asked.model_dump_json()}",
            "give --output another folder, or the same options",
        )


def _once(folder: Path, words: Sequence[str], load: int, which: str, console: Console) -> Repeat:
    """One repeat: the complete report of a run. Raises HarnessError when it writes none."""
    folder.mkdir(parents=True, exist_ok=True)
    with restless(load, folder / "load.log"):
        done = harness_run(words, reports=folder, log_file=folder / "harness.log", timeout=_RUN_SECONDS)
    found = _complete(folder)
    if found is None:
        raise HarnessError(
            f"repeat {which} ended with status {done.returncode} and without complete results; its output ends with:\n"
            f"{done.stdout[-2000:]}",
            f"see {folder / 'harness.log'}; once that is mended, the same command goes on from here",
        )
    console.print(f"repeat {which}: {found}", highlight=False, soft_wrap=True)
    return found


def _complete(folder: Path) -> Repeat | None:
    """The report in a folder that has a result for every cell; those of runs that were ended early are passed over."""
    for file in sorted(folder.glob("*/results.json"), reverse=True):
        if file.parent.is_symlink():
            continue
        try:
            found = read(file)
        except (OSError, ValueError):
            # What cannot be read is no complete report, and is made again.
            continue
        if found.ended is not None and found.cells and not found.missing:
            return Repeat(folder=file.parent, result=found)
    return None


@contextmanager
def restless(number: int, log_file: Path, *, seconds: float = _RUN_SECONDS) -> Iterator[None]:
    """So many programs that never rest, until the block ends, after so many seconds, or when this process is gone."""
    with ExitStack() as stack:
        for _ in range(number):
            argv = [sys.executable, "-c", _RESTLESS, str(seconds), str(os.getpid())]
            stack.enter_context(process.background(argv, log_file=log_file))
        yield
