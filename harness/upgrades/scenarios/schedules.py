# SPDX-License-Identifier: Apache-2.0
"""schedules: schedules miss no slot but where nobody leads, double none, and keep their history."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps.samples import chart_values
from harness.checks import schedules
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

_VALUES = chart_values()

SCENARIO = Scenario(
    name="schedules",
    summary="a schedule misses no slot beyond the leadership gap, doubles none, keeps its history",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    kinds=("upgrade", "rollback"),
    watches=("schedules",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the schedules."""
    yield from schedules.judge(observed)
