# SPDX-License-Identifier: Apache-2.0
"""The result of a cell that gets no cluster, since it was found before that it cannot run."""

from __future__ import annotations

from collections.abc import Callable

from harness.report.model import CellResult, cell_result
from harness.run.attempt import Attempt
from harness.run.locking import Locker
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.verdicts import Finding


def refused(
    attempt: Attempt, finding: Finding, asked: Request, host: Host, resources: Resources, say: Callable[[str], None]
) -> CellResult:
    """The result with this finding as its only check, and the line that tries the same again."""
    locker = Locker(asked, host, resources, say)
    lock = locker.lock(attempt.cell, attempt.number, watched=attempt.watched)
    locker.keep(lock, "")
    return cell_result(
        attempt.cell,
        [finding],
        repro=locker.repro(lock),
        lock=lock.digest,
        drift=[str(difference) for difference in locker.differences(attempt.cell)],
        phases={},
        images=[],
        attempt=attempt.number,
        retries=attempt.retries,
        distribution=attempt.cell.environment.distribution_from(host.choice.kind),
    )
