# SPDX-License-Identifier: Apache-2.0
"""reinstall: after a rollback the release can be uninstalled and installed anew, and nothing runs again."""

from __future__ import annotations

from collections.abc import Iterator

from harness.apps.samples import chart_values
from harness.checks import reinstall
from harness.checks.images import Resolve
from harness.matrix.model import Scenario
from harness.upgrades.observed import ObservedPath
from harness.verdicts import Finding

SCENARIO = Scenario(
    name="reinstall",
    summary="after a rollback, uninstall and install anew work, and nothing that had ended runs again",
    timeout=420.0,
    images=(chart_values().spark.image,),
    kinds=("rollback",),
    watches=("standing",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge what came after the way back."""
    yield from reinstall.judge(observed.reinstalled)
