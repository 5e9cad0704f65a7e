# SPDX-License-Identifier: Apache-2.0
"""operator-health: after a move the newest release serves and leads, and nothing of the one before is left."""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks import operator_health
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.labels import of_moves
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

SCENARIO = Scenario(
    name="operator-health",
    summary="the new release serves and leads, with its own images, CRDs and rights",
    timeout=420.0,
    kinds=("upgrade", "rollback"),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the operator after each move."""
    yield from of_moves(observed, lambda move: operator_health.judge(move, resolve))
