# SPDX-License-Identifier: Apache-2.0
"""admission: for how long creates are refused or delayed while the operator is replaced."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks import outage
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.labels import of_moves
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

SCENARIO = Scenario(
    name="admission",
    summary="creates are refused or delayed for no longer than the path's limits",
    timeout=420.0,
    kinds=("upgrade", "rollback"),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the probes of each move, against the limits of the path."""
    limits = observed.path
    yield from of_moves(
        observed,
        lambda move: outage.judge(move, outage_limit=limits.outage_limit, delay_limit=limits.delay_limit),
    )
