# SPDX-License-Identifier: Apache-2.0
"""One module a failure in the middle of an upgrade: `SCENARIO` describes it, `run(ctx)` makes it happen and judges it.

Each has a cluster for itself, with the path's first release on it.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Protocol, cast

from harness.errors import CatalogueError
from harness.matrix.model import Scenario
from harness.upgrades.faulty import FaultContext
from harness.verdicts import Finding


class FaultModule(Protocol):
    """What a module of this package offers."""

    SCENARIO: Scenario

    def run(self, ctx: FaultContext) -> list[Finding]:
        """Upgrade, let it fail on the way, and take the documented way out. Raises HarnessError for what proves
        nothing.
        """


@cache
def discover() -> Mapping[str, FaultModule]:
    """All of them by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    found: dict[str, FaultModule] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        scenario = getattr(module, "SCENARIO", None)
        if not isinstance(scenario, Scenario) or not scenario.alone or not callable(getattr(module, "run", None)):
            raise CatalogueError(
                f"{module.__name__} has no SCENARIO that is alone, or no run()",
                "see harness/upgrades/faults/image_missing.py",
            )
        found[scenario.name] = cast(FaultModule, module)
    return MappingProxyType(dict(sorted(found.items())))
