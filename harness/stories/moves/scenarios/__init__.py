# SPDX-License-Identifier: Apache-2.0
"""One module a scenario of a path with moves: `SCENARIO` describes it, `claims(observed)` judges it.

All of them are watched in one and the same pass along the path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Protocol

from harness.stories import modules

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.matrix.model import Scenario
    from harness.upgrades.observed import ObservedPath
    from harness.verdicts import Finding


class ScenarioModule(Protocol):
    """What a module of this package offers."""

    SCENARIO: Scenario

    def claims(self, observed: ObservedPath, resolve: Resolve) -> Iterable[Finding]:
        """Judge what was seen; `resolve` gives the digests that the source's registry serves. Looks at no cluster."""


@cache
def discover() -> Mapping[str, ScenarioModule]:
    """All scenarios by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    return modules.discover(
        __name__,
        __path__,
        function="claims",
        lacks="no SCENARIO or no claims()",
        example="harness/stories/moves/scenarios/operator_health.py",
    )
