# SPDX-License-Identifier: Apache-2.0
"""Every scenario that there is: those of an installed release, those of paths with moves, and failures in between."""

from __future__ import annotations

from collections.abc import Mapping

from harness.apps import scenarios as of_installs
from harness.matrix.model import Scenario
from harness.upgrades import faults
from harness.upgrades import scenarios as of_moves


def scenarios() -> Mapping[str, Scenario]:
    """All of them by name, in alphabetical order. Raises CatalogueError for a module that lacks its parts."""
    found = {name: module.SCENARIO for name, module in of_installs.discover().items()}
    found |= {name: module.SCENARIO for name, module in of_moves.discover().items()}
    found |= {name: module.SCENARIO for name, module in faults.discover().items()}
    return dict(sorted(found.items()))
