# SPDX-License-Identifier: Apache-2.0
"""One module a scenario: `SCENARIO` describes it, `run(ctx)` does it and returns its findings."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Protocol, cast

from harness.apps.context import ScenarioContext
from harness.errors import CatalogueError
from harness.matrix.model import Scenario
from harness.verdicts import Finding


class ScenarioModule(Protocol):
    """What a module of this package offers."""

    SCENARIO: Scenario

    def run(self, ctx: ScenarioContext) -> list[Finding]:
        """Do what an operator's user does, and look at everything that must hold. Does not raise for what it finds."""


@cache
def discover() -> Mapping[str, ScenarioModule]:
    """All scenarios by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    found: dict[str, ScenarioModule] = {}
    for info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{info.name}")
        if not isinstance(getattr(module, "SCENARIO", None), Scenario) or not callable(getattr(module, "run", None)):
            raise CatalogueError(
                f"{module.__name__} has no SCENARIO or no run()", "see harness/apps/scenarios/spark_pi.py"
            )
        found[module.SCENARIO.name] = cast(ScenarioModule, module)
    return MappingProxyType(dict(sorted(found.items())))


def namespace_of(scenario: str) -> str:
    """The namespace of a scenario: its name, made a DNS-1123 label."""
    return scenario.replace(".", "-")
