# SPDX-License-Identifier: Apache-2.0
"""The command `harness matrix`: which cells there are, how long they take, and which cannot be tried here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from harness import options as run_options
from harness.errors import UsageError
from harness.report.text import wide_console

_OPTIONS = (
    *run_options.SELECTION_OPTIONS,
    *(
        option
        for option in run_options.RUN_OPTIONS
        if option.flag in ("--jobs", "--source", "--operator", "--chart", "--config")
    ),
)


def declare(commands: Any, command: run_options.Command) -> None:
    """Add `matrix` to the parser of `harness`."""
    matrix = command(commands, "matrix", _matrix, "list the cells that a run would select, with their expected minutes")
    matrix.add_argument("--json", action="store_true", help="print JSON for a CI job matrix")
    matrix.add_argument("--shards", type=int, metavar="N", help="split the cells into N shards of about equal duration")
    run_options.declare(matrix.add_argument, _OPTIONS)


def _matrix(parsed: argparse.Namespace, rest: Sequence[str]) -> int:
    from harness.foundry.imported import Imports
    from harness.matrix import listing, shards
    from harness.matrix.estimate import Estimator
    from harness.matrix.select import unavailable_reason
    from harness.registries.source_choice import detect
    from harness.report.history import History
    from harness.run import setup

    asked = setup.request(run_options.read(parsed))
    wanted, cells = asked.settings, asked.cells
    learnt = History(wanted.cache_dir / "history.json").learnt()
    estimator = Estimator(learnt, slots=wanted.app_slots, processors=wanted.processors)
    if parsed.shards is not None and parsed.shards < 1:
        raise UsageError(f"--shards {parsed.shards} is not a valid shard count", "give a number of at least 1")
    parts = shards.shards(cells, estimator, parsed.shards, jobs=wanted.jobs) if parsed.shards else []
    if parsed.json:
        print(shards.as_json(parts) if parsed.shards else listing.as_json(cells, estimator))
        return 0
    source = (asked.source or detect(wanted, asked.options.source)).kind
    imported = Imports.of(wanted).read().imported
    reasons = {cell.id: unavailable_reason(asked.catalogue, cell, source, imported) for cell in cells}
    console = wide_console()
    unavailable = {key: why for key, why in reasons.items() if why}
    console.print(listing.table(cells, estimator, unavailable=unavailable, shards=parts))
    public = source != "foundry"
    lines = listing.notes(cells, estimator, jobs=wanted.jobs, left_out=asked.left_out, public=public)
    for line in (*lines, *listing.shard_notes(parts)):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    return 0
