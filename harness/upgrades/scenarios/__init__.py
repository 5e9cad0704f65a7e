# SPDX-License-Identifier: Apache-2.0
"""One module a scenario of a path with moves: `SCENARIO` describes it, `claims(observed)` judges it.

All of them are watched in one and the same pass along the path.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Protocol, cast

from harness.checks.images import Resolve
from harness.errors import CatalogueError
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
    found: dict[str, ScenarioModule] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if not isinstance(getattr(module, "SCENARIO", None), Scenario) or not callable(getattr(module, "claims", None)):
            raise CatalogueError(
                f"{module.__name__} has no SCENARIO or no claims()",
                "see harness/upgrades/scenarios/operator_health.py",
            )
        found[module.SCENARIO.name] = cast(ScenarioModule, module)
    return MappingProxyType(dict(sorted(found.items())))
