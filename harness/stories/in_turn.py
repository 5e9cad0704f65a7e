# SPDX-License-Identifier: Apache-2.0
"""Cells of one cluster that run one after the other, each with a place of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from harness.kube.interruptions import findings_of
from harness.stories.cluster import PreparedCluster
from harness.stories.protocol import CellRun, Play, RunContext

if TYPE_CHECKING:
    from harness.verdicts import Finding


class InTurn(Play[PreparedCluster]):
    """Cells on an installed release. `findings_on` runs one, and raises HarnessError for what proves nothing."""

    def __init__(
        self, run: RunContext, findings_on: Callable[[RunContext, PreparedCluster, CellRun], list[Finding]]
    ) -> None:
        self._run = run
        self._findings_on = findings_on

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        run_in_turn(self._run, cells, lambda it: self._findings_on(self._run, on, it))


def run_in_turn(
    run: RunContext,
    cells: Sequence[CellRun],
    findings: Callable[[CellRun], list[Finding]],
    *,
    operator_ran: Callable[[], bool] = lambda: True,
) -> None:
    """Run each cell when there is a place for it, and report it. Raises Cancelled."""
    for it in cells:
        with run.place() as waited:
            started = time.monotonic()
            found = findings_of(it.cell.scenario.name, lambda: findings(it))  # noqa: B023 - called at once
        phases = {"scenario": time.monotonic() - started}
        it.report(found, phases, operator_ran=operator_ran(), waited=waited)
