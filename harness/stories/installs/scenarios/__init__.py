# SPDX-License-Identifier: Apache-2.0
"""One module a scenario: `SCENARIO` describes it, `run(ctx)` does it and returns its findings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol

from harness.apps.context import ScenarioContext
from harness.matrix.model import Scenario
from harness.stories import modules
from harness.verdicts import Finding


class ScenarioModule(Protocol):
    """What a module of this package offers."""

    SCENARIO: Scenario

    def run(self, ctx: ScenarioContext) -> list[Finding]:
        """Do what an operator's user does, and look at everything that must hold. Does not raise for what it finds."""


@cache
def discover() -> Mapping[str, ScenarioModule]:
    """All scenarios by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    return modules.discover(
        __name__,
        __path__,
        function="run",
        lacks="no SCENARIO or no run()",
        example="harness/stories/installs/scenarios/spark_pi.py",
    )
