# SPDX-License-Identifier: Apache-2.0
"""The kinds of scenarios, one package each: what they need of a cluster, how they run on it, what each cell is told.

A package `<name>` in this folder has a module `story` with `STORY`, see `harness/stories/protocol.py`. An installed
distribution may offer more as entry points of the group `harness.stories`. Nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING

from harness.errors import CatalogueError
from harness.stories.protocol import NOTHING, Given, Story

if TYPE_CHECKING:
    from harness.matrix.model import Scenario

ENTRY_POINTS = "harness.stories"
"""The group of entry points of other distributions; each names a Story."""


@cache
def discover() -> Mapping[str, Story]:
    """All kinds by name. Raises CatalogueError for a package without STORY, and for a name that two have."""
    found: dict[str, Story] = {}
    for where, story in (*_packages(), *_distributions()):
        if not isinstance(story, Story):
            raise CatalogueError(f"{where} has no STORY", "see harness/stories/installs/story.py")
        if story.name in found:
            raise CatalogueError(f"{where} is a second story with the name {story.name}", "rename one of them")
        found[story.name] = story
    return MappingProxyType(dict(sorted(found.items())))


def scenarios(given: Given = NOTHING) -> Mapping[str, Scenario]:
    """Every scenario that there is with what a user gave, by name, in alphabetical order.

    Raises CatalogueError for a module that lacks its parts, for a name that two have, and for scenarios that share a
    cluster and need it in different states.
    """
    found: dict[str, Scenario] = {}
    for story in discover().values():
        for scenario in story.scenarios(given):
            if scenario.name in found:
                raise CatalogueError(f"{story.name} has a second scenario {scenario.name}", "rename one of them")
            found[scenario.name] = scenario.model_copy(update={"story": story.name})
    _require_agreement(found.values())
    return dict(sorted(found.items()))


def of(scenario: Scenario) -> Story:
    """The story of a scenario. Raises CatalogueError when there is none."""
    try:
        return discover()[scenario.story]
    except KeyError:
        raise CatalogueError(
            f"no package has the story {scenario.story or 'without a name'} of {scenario.name}",
            f"the stories are: {', '.join(discover())}",
        ) from None


def _require_agreement(found: Iterable[Scenario]) -> None:
    """Raise CatalogueError when scenarios of one cluster want another release on it than the others."""
    first: dict[str, Scenario] = {}
    for scenario in found:
        other = first.setdefault(scenario.needs.cluster, scenario)
        if scenario.needs.installed != other.needs.installed:
            raise CatalogueError(
                f"{scenario.name} and {other.name} share the cluster {scenario.needs.cluster or 'of most scenarios'}: "
                f"installed is {scenario.needs.installed} for one and {other.needs.installed} for the other",
                "give one of them another cluster",
            )


def _packages() -> Iterator[tuple[str, object]]:
    for info in pkgutil.iter_modules(__path__):
        if info.ispkg:
            module = importlib.import_module(f"{__name__}.{info.name}.story")
            yield module.__name__, getattr(module, "STORY", None)


def _distributions() -> Iterator[tuple[str, object]]:
    for point in entry_points(group=ENTRY_POINTS):
        try:
            yield point.value, point.load()
        except Exception as broken:
            raise CatalogueError(
                f"the entry point {point.name} = {point.value} of the group {ENTRY_POINTS} cannot be loaded: "
                f"{type(broken).__name__}: {broken}",
                "update the package that it belongs to, or uninstall it",
            ) from broken
