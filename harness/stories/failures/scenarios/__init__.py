# SPDX-License-Identifier: Apache-2.0
"""One module a failure in the middle of an upgrade: `SCENARIO` describes it, `run(ctx)` makes it happen and judges it.

Each has a cluster for itself, with the path's first release on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Protocol

from harness.stories import modules

if TYPE_CHECKING:
    from harness.matrix.model import Scenario
    from harness.stories.path_context import PathContext
    from harness.verdicts import Finding


class FaultModule(Protocol):
    """What a module of this package offers."""

    SCENARIO: Scenario

    def run(self, ctx: PathContext) -> list[Finding]:
        """Upgrade, let it fail on the way, and take the documented way out. Raises HarnessError for what proves
        nothing.
        """


@cache
def discover() -> Mapping[str, FaultModule]:
    """All of them by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    return modules.discover(
        __name__,
        __path__,
        function="run",
        lacks="no SCENARIO that is alone, or no run()",
        example="harness/stories/failures/scenarios/image_missing.py",
        fits=lambda scenario: scenario.needs.cluster == scenario.name,
    )
