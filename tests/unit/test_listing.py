# SPDX-License-Identifier: Apache-2.0
"""The matrix as a table, with the notes under it, and as JSON."""

from __future__ import annotations

import json
import re

from rich.console import Console

from harness import stories
from harness.matrix import catalogue, listing
from harness.matrix.estimate import Estimator, Learnt
from harness.matrix.select import Selection, choose
from harness.matrix.shards import shards

CATALOGUE = catalogue.load()
SCENARIOS = stories.scenarios()
CHOSEN = choose(
    CATALOGUE,
    Selection(
        environments=("kind-1.34", "k3d-1.24"), paths=("install-2.3.0",), scenarios=("spark-pi", "ttl", "suspend*")
    ),
    SCENARIOS,
)
PI = "kind-1.34/install-2.3.0/spark-pi"
ESTIMATOR = Estimator(Learnt(own={PI: 90.0}, shared={"kind-1.34/install-2.3.0": 30.0}), slots=4)


def shown(*arguments: object, **options: object) -> str:
    console = Console(width=140, record=True, force_terminal=False)
    console.print(listing.table(*arguments, **options))  # type: ignore[arg-type]
    return console.export_text()


def test_cells_have_their_own_minutes_and_clusters_those_of_all_their_cells() -> None:
    text = shown(CHOSEN.cells, ESTIMATOR)
    assert re.search(r"kind-1\.34 .*install-2\.3\.0 .*spark-pi .*kind.* 1\.5 .* ~2\.0", text)
    assert re.search(r"kind-1\.34 .*install-2\.3\.0 .*ttl .*kind.* ~1\.0 [^\d]*$", text, re.M)
    assert re.search(r"k3d-1\.24 .*spark-pi .* ~1\.5 .* ~2\.0", text)
    assert "unavailable" not in text
    assert "shard" not in text


def test_reasons_and_shards_have_columns_where_there_are_any() -> None:
    text = shown(CHOSEN.cells, ESTIMATOR, unavailable={PI: "no node image"}, shards=shards(CHOSEN.cells, ESTIMATOR, 2))
    assert re.search(r"spark-pi .*\b[12] .*no node image", text)


def test_the_notes_say_the_sum_and_what_is_left_out_and_why() -> None:
    lines = list(listing.notes(CHOSEN.cells, ESTIMATOR, jobs=2, left_out=CHOSEN.left_out, public=True))
    assert re.fullmatch(r"4 cells on 2 clusters, ~\d+ minutes with --jobs 2", lines[0])
    assert "~ marks estimates" in lines[1]
    assert lines[2] == (
        "excluded: 2 cells: releases before 2.4.0 have no spec.suspend "
        "(https://github.com/kubeflow/spark-operator/pull/2387)"
    )
    assert lines[3].startswith("node image without a digest")
    assert lines[3].endswith(": k3d-1.24")
    only = [cell for cell in CHOSEN.cells if cell.id == PI]
    assert list(listing.notes(only, ESTIMATOR, jobs=1)) == ["1 cell on 1 cluster, about 2 minutes with --jobs 1"]


def test_json_is_for_ci() -> None:
    rows = {row["id"]: row for row in json.loads(listing.as_json(CHOSEN.cells, ESTIMATOR))}
    assert list(rows) == [cell.id for cell in CHOSEN.cells]
    assert rows[PI] == {
        "id": PI,
        "environment": "kind-1.34",
        "path": "install-2.3.0",
        "scenario": "spark-pi",
        "tags": ["kind"],
        "expected_minutes": 1.5,
        "guess": False,
    }
    assert rows["k3d-1.24/install-2.3.0/spark-pi"]["guess"]
