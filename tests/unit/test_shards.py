# SPDX-License-Identifier: Apache-2.0
"""Cells spread over machines: every cell once, evenly, clusters whole where that is even."""

from __future__ import annotations

import itertools
import json

import pytest

from harness import stories
from harness.matrix import catalogue
from harness.matrix.estimate import Estimator, Learnt
from harness.matrix.model import Cell, ClusterNeeds, Scenario
from harness.matrix.select import Selection, choose
from harness.matrix.shards import as_json, shards

CATALOGUE = catalogue.load()
SCENARIOS = stories.scenarios()
SMOKE = choose(CATALOGUE, Selection(tags=("smoke",)), SCENARIOS).cells
FULL = choose(CATALOGUE, Selection(tags=("full",)), SCENARIOS).cells
ONE = choose(CATALOGUE, Selection(environments=("kind-1.34",)), SCENARIOS).cells
LEARNT = Learnt(
    own={cell.id: 20.0 + 7 * (number % 11) for number, cell in enumerate(FULL)},
    shared={cell.group: 30.0 + number % 5 for number, cell in enumerate(FULL)},
)


@pytest.mark.parametrize("cells", [SMOKE, FULL, ONE], ids=["smoke", "full", "one group"])
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16])
@pytest.mark.parametrize("learnt", [LEARNT, Learnt()], ids=["learnt", "guessed"])
def test_every_cell_is_in_one_shard_and_no_shard_is_empty(cells: list[Cell], count: int, learnt: Learnt) -> None:
    found = shards(cells, Estimator(learnt, slots=4), count)
    assert sorted(cell.id for shard in found for cell in shard.cells) == sorted(cell.id for cell in cells)
    assert all(shard.cells for shard in found)
    assert len(found) <= count
    assert [(shard.number, shard.of) for shard in found] == [(n, len(found)) for n in range(1, len(found) + 1)]


@pytest.mark.parametrize("count", [2, 4, 7])
def test_shards_take_about_the_same_time(count: int) -> None:
    seconds = [shard.expected.seconds for shard in shards(FULL, Estimator(LEARNT, slots=4), count)]
    assert len(seconds) == count
    assert max(seconds) <= 1.5 * sum(seconds) / count


def test_clusters_stay_whole_where_that_is_even() -> None:
    found = shards(FULL, Estimator(LEARNT, slots=4), 2)
    groups = [{cell.group for cell in shard.cells} for shard in found]
    assert not groups[0] & groups[1]


def test_a_group_that_is_longer_than_a_share_is_split_by_scenario() -> None:
    estimator = Estimator(LEARNT, slots=4)
    found = shards(ONE, estimator, 3)
    assert len(found) == 3
    assert max(shard.expected.seconds for shard in found) < estimator.group(ONE).seconds


def test_a_single_cell_is_not_split() -> None:
    (only,) = shards(ONE[:1], Estimator(LEARNT, slots=4), 5)
    assert only.name == "1-of-1"


def test_more_machines_than_cells_are_as_many_as_there_are_cells() -> None:
    one, other = (shards(ONE, Estimator(LEARNT, slots=4), count) for count in (len(ONE), 10**12))
    assert [it.cells for it in one] == [it.cells for it in other]


def test_the_same_comes_out_each_time() -> None:
    one, other = (shards(FULL, Estimator(LEARNT, slots=4), 4) for _ in range(2))
    assert one == other


def test_the_json_has_what_a_ci_job_needs() -> None:
    found = json.loads(as_json(shards(SMOKE, Estimator(Learnt(), slots=4), 4)))
    assert [shard["name"] for shard in found] == [f"{number}-of-4" for number in range(1, 5)]
    for shard in found:
        words = shard["arguments"].split(" ")
        assert words[::2] == ["--cell"] * len(shard["cells"])
        assert words[1::2] == shard["cells"]
        assert shard["expected_minutes"] > 0
        assert shard["guess"] is True
    assert len(list(itertools.chain.from_iterable(shard["cells"] for shard in found))) == len(SMOKE)


def test_no_id_is_quoted_for_a_shell_since_ci_splits_the_arguments_at_spaces() -> None:
    cells = choose(CATALOGUE, Selection(paths=("upgrade-*~helm4*",)), SCENARIOS).cells
    (found,) = json.loads(as_json(shards(cells, Estimator(Learnt(), slots=4), 1)))
    assert found["arguments"].split(" ")[1::2] == [cell.id for cell in cells]


def test_the_cells_of_an_upgrade_stay_together() -> None:
    watched = {
        name: Scenario(name=name, summary="", needs=ClusterNeeds(paths=("upgrade",))) for name in ("a", "b", "c")
    }
    asked = Selection(paths=("upgrade-2.4.0-2.5.2+crds=*",), scenarios=tuple(watched))
    cells = choose(CATALOGUE, asked, {**SCENARIOS, **watched}).cells
    found = shards(cells, Estimator(Learnt(), slots=4), 8)
    groups = [{cell.group for cell in shard.cells} for shard in found]
    together = set.union(*groups)
    assert together == {cell.group for cell in cells}
    assert sum(map(len, groups)) == len(together)
