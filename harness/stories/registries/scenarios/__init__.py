# SPDX-License-Identifier: Apache-2.0
"""Scenarios about registries, by name. One module makes one scenario, or one for each row of clusters/pulls.toml.

`SETUP` says how the registries of its family are set up; `scenarios()` describes what there is; `run(ctx, name)`
does it and returns its findings.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from harness.errors import CatalogueError

if TYPE_CHECKING:
    from harness.matrix.model import ClusterNeeds, Scenario
    from harness.stories.registries.context import PullContext
    from harness.stories.registries.own_registries import RegistrySetup
    from harness.verdicts import Finding

PREFIX = "registry-"
"""How all names begin."""


class PullModule(Protocol):
    """What a module of this package offers."""

    def scenarios(self) -> Mapping[str, Scenario]:
        """Its scenarios by name."""

    def setup(self, name: str) -> RegistrySetup:
        """The registries of a scenario's family."""

    def run(self, ctx: PullContext, name: str) -> list[Finding]:
        """Do it, and look at everything that must hold. Raises Cancelled only."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """A scenario with what does it."""

    scenario: Scenario
    module: PullModule

    @property
    def setup(self) -> RegistrySetup:
        """The registries of its family."""
        return self.module.setup(self.scenario.name)

    def run(self, ctx: PullContext) -> list[Finding]:
        """Do it."""
        return self.module.run(ctx, self.scenario.name)


@cache
def discover() -> Mapping[str, Known]:
    """All of them by name, in alphabetical order.

    Raises CatalogueError for a name that does not begin with PREFIX, and for families with two ways to set up.
    """
    found: dict[str, Known] = {}
    setups: dict[str, tuple[RegistrySetup, ClusterNeeds]] = {}
    for info in pkgutil.iter_modules(__path__):
        module: PullModule = importlib.import_module(f"{__name__}.{info.name}")
        for name, scenario in module.scenarios().items():
            known = Known(scenario=scenario, module=module)
            if not name.startswith(PREFIX) or not scenario.needs.cluster:
                raise CatalogueError(
                    f"the scenario {name} is not named {PREFIX}…, or has no cluster of its own", "correct it"
                )
            same = setups.setdefault(scenario.needs.cluster, (known.setup, scenario.needs))
            if same != (known.setup, scenario.needs):
                raise CatalogueError(f"the scenarios of the cluster {scenario.needs.cluster} need different ones")
            found[name] = known
    return MappingProxyType(dict(sorted(found.items())))
