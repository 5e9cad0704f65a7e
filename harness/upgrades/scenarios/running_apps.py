# SPDX-License-Identifier: Apache-2.0
"""running-apps: what ran before the operator was replaced goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps.samples import chart_values
from harness.checks import running_apps
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

_VALUES = chart_values()

SCENARIO = Scenario(
    name="running-apps",
    summary="running, ended, suspended and retrying applications and SparkConnect survive the move",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    kinds=("upgrade", "rollback"),
    watches=("standing",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the applications of before."""
    yield from running_apps.judge(observed)
