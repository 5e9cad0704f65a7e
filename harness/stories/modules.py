# SPDX-License-Identifier: Apache-2.0
"""Packages in which each module is a scenario: `SCENARIO` describes it, and a function of a certain name does it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from harness.errors import CatalogueError
from harness.matrix.model import Scenario


def discover(
    package: str,
    path: Iterable[str],
    *,
    function: str,
    lacks: str,
    example: str,
    fits: Callable[[Scenario], bool] = lambda scenario: True,
) -> Mapping[str, Any]:
    """The modules of a package by the names of their scenarios, in alphabetical order.

    Raises CatalogueError for one without its parts, or whose scenario does not fit: it `lacks` these, and the file
    `example` shows them.
    """
    found: dict[str, Any] = {}
    for info in pkgutil.iter_modules(path):
        module = importlib.import_module(f"{package}.{info.name}")
        scenario = getattr(module, "SCENARIO", None)
        if not isinstance(scenario, Scenario) or not fits(scenario) or not callable(getattr(module, function, None)):
            raise CatalogueError(f"{module.__name__} has {lacks}", f"see {example}")
        found[scenario.name] = module
    return MappingProxyType(dict(sorted(found.items())))
