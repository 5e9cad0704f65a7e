# SPDX-License-Identifier: Apache-2.0
"""The kinds of scenarios: which there are, what is said of a wrong one, and what is made once on a cluster."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from harness import stories
from harness.errors import CatalogueError, HarnessError
from harness.matrix.model import Cell, ClusterNeeds, Scenario
from harness.stories.cluster import Once
from harness.stories.protocol import Given, Play, RunContext, Story


class Other(Story):
    """A story of these scenarios."""

    def __init__(self, name: str, *scenarios: Scenario) -> None:
        self.name = name
        self._scenarios = scenarios

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        return self._scenarios

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        raise NotImplementedError


OTHER = Other("other", Scenario(name="next", summary="next"))
CLASHES = Other("other", Scenario(name="spark-pi", summary="again"))
DISAGREES = Other("other", Scenario(name="next", summary="next", needs=ClusterNeeds(installed="nothing")))
NAMED_TWICE = Other("installs")
NO_STORY = object()


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What other distributions offer: the names of objects of this module."""
    names: list[str] = []

    def entry_points(group: str) -> list[EntryPoint]:
        return [EntryPoint(name=name.lower(), value=f"{__name__}:{name}", group=group) for name in names]

    monkeypatch.setattr(stories, "entry_points", entry_points)
    stories.discover.cache_clear()
    yield names
    stories.discover.cache_clear()


def test_every_package_of_the_room_is_a_story_with_scenarios_of_its_own() -> None:
    folder = Path(stories.__file__).parent
    packages = {path.name.replace("_", "-") for path in folder.iterdir() if (path / "__init__.py").is_file()}
    assert {story.name for story in stories.discover().values()} == packages
    known = {scenario.story for scenario in stories.scenarios().values()}
    assert known == packages - {"user-apps"}, "the user's own exist only with --apps"


def test_another_distribution_can_offer_one(offered: list[str]) -> None:
    offered.append("OTHER")
    assert stories.scenarios()["next"].story == "other"
    assert stories.of(stories.scenarios()["next"]) is OTHER


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CLASHES", "other has a second scenario spark-pi"),
        ("DISAGREES", "next and .* share the cluster of most scenarios"),
        ("NAMED_TWICE", "is a second story with the name installs"),
        ("NO_STORY", "has no STORY"),
        ("NOT_THERE", "the entry point not_there = .* cannot be loaded: AttributeError"),
    ],
)
def test_a_wrong_story_is_named(offered: list[str], name: str, words: str) -> None:
    offered.append(name)
    with pytest.raises(CatalogueError, match=words):
        stories.scenarios()


def test_a_scenario_of_no_story_is_named() -> None:
    with pytest.raises(CatalogueError, match="no package has the story unheard-of of next"):
        stories.of(Scenario(name="next", summary="next", story="unheard-of"))


def test_what_is_made_once_is_made_by_whoever_asks_first_and_the_others_wait() -> None:
    once, made, asked = Once(), [], threading.Barrier(2, timeout=10)

    def make() -> int:
        made.append(1)
        return len(made)

    def ask(_: int) -> int:
        asked.wait()
        return once.get("it", make)

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, range(2))) == [1, 1]
    assert once.get("another", make) == 2


def test_what_could_not_be_made_is_told_to_all() -> None:
    once = Once()

    def fails() -> int:
        raise HarnessError("no room")

    for _ in range(2):
        with pytest.raises(HarnessError, match="no room"):
            once.get("it", fails)
