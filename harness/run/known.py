# SPDX-License-Identifier: Apache-2.0
"""Every scenario that there is: of an installed release, of paths with moves, of failures in between, of registries."""

from __future__ import annotations

from collections.abc import Mapping

from harness.apps import scenarios as of_installs
from harness.matrix.model import Scenario
from harness.pulls import scenarios as of_registries
from harness.upgrades import faults
from harness.upgrades import judged as of_moves


def scenarios() -> Mapping[str, Scenario]:
    """All of them by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    found = {name: module.SCENARIO for name, module in of_installs.discover().items()}
    found |= {name: module.SCENARIO for name, module in of_moves.discover().items()}
    found |= {name: module.SCENARIO for name, module in faults.discover().items()}
    found |= {name: known.scenario for name, known in of_registries.discover().items()}
    return dict(sorted(found.items()))
