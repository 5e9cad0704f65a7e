# SPDX-License-Identifier: Apache-2.0
"""submissions: what is submitted before, while and after the operator is replaced runs exactly once."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps.samples import chart_values
from harness.checks import submissions
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

_VALUES = chart_values()

SCENARIO = Scenario(
    name="submissions",
    summary="applications submitted before, while and after the move run exactly once",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    kinds=("upgrade", "rollback"),
    watches=("submissions",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the applications that are to run once."""
    yield from submissions.judge(observed)
