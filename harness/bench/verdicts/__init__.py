# SPDX-License-Identifier: Apache-2.0
"""Plants faults and harmless changes on installed operators: every fault must be reported, and no harmless change.

Each row of clusters/verdicts.toml is planted from outside on a real cluster, judged by the checks of a run, and undone.
The next row has the same cluster where that is as before, and a fresh one otherwise. With the same `--output FILE`, a
later call goes on with the rows that the file lacks.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from rich.console import Console

from harness import options as run_options
from harness.bench.site import Site, site
from harness.bench.verdicts import catalogue, planting
from harness.bench.verdicts.catalogue import Fault, Row
from harness.bench.verdicts.outcome import Result, VerdictsOutcome, kept, table
from harness.errors import HarnessError
from harness.evidence.ledger import new_run_id
from harness.matrix.select import Selection
from harness.run.resources import Resources
from harness.run.run_host import Host, host
from harness.run.setup import Request, request
from harness.settings import amount
from harness.verdicts import Finding
from harness.waiting import Deadline

OUTPUT = "keep what became of each row in this JSON file, and try only those that it lacks, or that --only names"
"""What --output means here."""

QUICK = "three faults and three harmless changes"

SCENARIOS = ("spark-pi", "config-map", "scheduled")
"""Whose environment, release and namespaces are used."""

QUICK_ROWS = (
    "annotations",
    "operator-restarted",
    "resources",
    "failure-policy-changed",
    "permission-removed",
    "crd-field-pruned",
)
_TRIES = 2


def declare(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--only", action="append", default=[], metavar="NAME", help="run only this row (repeatable)")
    parser.add_argument(
        "--minutes",
        type=amount,
        default=math.inf,
        metavar="N",
        help="begin no row after N minutes (default: all)",
    )
    parser.add_argument("--list", action="store_true", help="list the rows, and run none")


def run(parsed: argparse.Namespace, console: Console) -> VerdictsOutcome | Listing:
    """Try the rows and print the table. Raises HarnessError when there is no cluster, UsageError for unknown rows."""
    known = catalogue.load()
    rows = known.only(parsed.only or (QUICK_ROWS if parsed.quick else ()))
    if parsed.list:
        return Listing(rows)
    results = {it.row.name: it for it in (kept(parsed.output, known.rows) if parsed.output else ())}
    to_try = [it for it in rows if it.name not in results or it.name in parsed.only]
    names = {*results, *(it.name for it in rows)}

    def outcome() -> VerdictsOutcome:
        return VerdictsOutcome(results=[results[it.name] for it in known.rows if it.name in results], asked=len(names))

    def note(result: Result) -> None:
        """Keep what is known so far: a run of all rows takes the better part of an hour."""
        results[result.row.name] = result
        if parsed.output:
            outcome().write(parsed.output)

    if results:
        console.print(f"{len(rows) - len(to_try)} of {len(rows)} rows tried before", highlight=False)
    if to_try:
        asked = request(run_options.RunOptions(selection=Selection(scenarios=SCENARIOS)))
        say = functools.partial(console.print, highlight=False, markup=False)
        try_all(to_try, asked, host(asked), say, note, Deadline(seconds=60 * parsed.minutes))
    console.print(table(outcome().results))
    return outcome()


def try_all(
    rows: Sequence[Row],
    asked: Request,
    found: Host,
    say: Callable[[str], None],
    note: Callable[[Result], None],
    deadline: Deadline,
) -> None:
    """Try every row on a cluster that is as a fresh one, and note what became of it; begin none after the deadline.

    Raises HarnessError when there is no cluster.
    """
    left = list(rows)
    resources = Resources(new_run_id(), asked, found, say)
    try:
        resources.open()
        for number in count(1):
            with site(number, asked, found, resources, say) as on:
                _try_on(on, left, say, note, deadline)
            if not left or not deadline.left:
                break
    finally:
        resources.close()


def _try_on(
    on: Site, left: list[Row], say: Callable[[str], None], note: Callable[[Result], None], deadline: Deadline
) -> None:
    """Try rows, and take them away, until none is left, time is up, or the cluster is not as before."""
    while left and deadline.left:
        row = left.pop(0)
        result = once_more(on, row)
        note(result)
        say(f"{row.name}: {result.fate} ({result.seconds:.0f} s){f': {result.words}' if result.words else ''}")
        if not result.undone:
            say(f"{row.name}: not as before: {'; '.join(result.left)}. What comes next gets a fresh cluster")
            return


def once_more(on: Site, row: Row) -> Result:
    """Try a row; once more, where it could not be planted and the cluster is as before."""
    for _ in range(_TRIES):
        result = try_row(on, row)
        if not (result.trouble and result.undone):
            break
    return result


def try_row(on: Site, row: Row) -> Result:
    """Plant a row, look, undo it, and see that the cluster is as before."""
    started = time.monotonic()
    findings: Sequence[Finding] = ()
    trouble = ""
    try:
        with ExitStack() as planted:
            for step in row.step:
                planted.callback(planting.plant(on, step))
            findings = on.scenario(row.scenario, seed=1) if row.scenario else on.checks(seed=1)
    except HarnessError as problem:
        trouble = str(problem)
    took = time.monotonic() - started
    day = datetime.now(UTC).date().isoformat()
    return Result(row=row, findings=findings, seconds=took, trouble=trouble, left=tuple(_left(on, row)), day=day)


def _left(on: Site, row: Row) -> list[str]:
    """What of a row is left."""
    try:
        if isinstance(row, Fault) and not row.scenario:
            on.renew_pods()
        left = on.as_before()
        if left and not row.scenario:
            on.renew_pods()
            left = on.as_before()
    except HarnessError as problem:
        return [str(problem)]
    return left


class Listing:
    """The rows, instead of what became of them."""

    holds = True

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def write(self, file: Path) -> None:
        """Write the names as JSON."""
        file.write_text(json.dumps([{"name": it.name, "kind": _kind(it), "what": it.what} for it in self._rows]) + "\n")

    def __str__(self) -> str:
        return "\n".join(f"{_kind(it):<9} {it.name:<32} {it.what}" for it in self._rows)


def _kind(row: Row) -> str:
    return "fault" if isinstance(row, Fault) else "harmless"
