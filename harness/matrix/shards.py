# SPDX-License-Identifier: Apache-2.0
"""Splits the cells of a run evenly over several machines, keeping clusters whole where that is even enough."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.matrix import expand
from harness.matrix.estimate import Estimator, Expected
from harness.matrix.model import Cell

_SHARES = (1.0, 0.75, 0.5, 0.33)
"""The lengths to try for a part of a cluster, as fractions of an even share."""


@dataclass(frozen=True, kw_only=True)
class Shard:
    """The cells of one machine. `number` counts from 1 to `of`."""

    number: int
    of: int
    cells: tuple[Cell, ...]
    expected: Expected

    @property
    def name(self) -> str:
        """`1-of-4`, which can be part of a file name."""
        return f"{self.number}-of-{self.of}"

    @property
    def arguments(self) -> str:
        """The cells as arguments for `nox -s e2e --`.

        Exact ids, since the split depends on the durations that a machine has recorded: another machine that splits
        on its own might miss a cell. Nothing in an id needs quotes, and there are none: CI splits the text at its
        spaces, and would take quotes for a part of the id.
        """
        return " ".join(f"--cell {cell.id}" for cell in self.cells)


def shards(cells: Sequence[Cell], estimator: Estimator, count: int, *, jobs: int = 1) -> list[Shard]:
    """At most `count` shards, none empty; the cells of each in their own order.

    Clusters stay whole unless the last shard is done earlier when some are split, scenario by
    scenario, over several machines. The longest are placed first, each on the least loaded machine.
    """
    count = min(count, len(cells))
    groups = list(expand.groups(cells).values())
    even = sum(estimator.group(group).seconds for group in groups) / max(1, count)
    tries = [
        _placed([part for group in groups for part in _parts(group, estimator, most)], estimator, count)
        for most in (math.inf, *(even * share for share in _SHARES))
    ]
    best = min(tries, key=lambda places: max((round(_seconds(it, estimator)) for it in places), default=0))
    position = {cell.id: number for number, cell in enumerate(cells)}
    filled = [sorted((cell for part in place for cell in part), key=lambda it: position[it.id]) for place in best]
    return [
        Shard(number=number, of=len(filled), cells=tuple(own), expected=estimator.run(own, jobs=jobs))
        for number, own in enumerate(filled, 1)
    ]


def as_json(found: Iterable[Shard]) -> str:
    """One line of JSON, an array that a CI matrix can read."""
    return json.dumps(
        [
            {
                "shard": shard.number,
                "name": shard.name,
                "cells": [cell.id for cell in shard.cells],
                "arguments": shard.arguments,
                "expected_minutes": round(shard.expected.seconds / 60, 1),
                "guess": shard.expected.guess,
            }
            for shard in found
        ]
    )


def _placed(parts: list[list[Cell]], estimator: Estimator, count: int) -> list[list[list[Cell]]]:
    places: list[list[list[Cell]]] = [[] for _ in range(min(count, len(parts)))]
    for part in sorted(parts, key=lambda it: -estimator.group(it).seconds):
        min(places, key=lambda place: (_seconds([*place, part], estimator), len(place))).append(part)
    return [place for place in places if place]


def _seconds(parts: Iterable[Sequence[Cell]], estimator: Estimator) -> float:
    # Two parts of a group on one machine are one cluster again.
    together = expand.groups(cell for part in parts for cell in part)
    return sum(estimator.group(group).seconds for group in together.values())


def _parts(group: list[Cell], estimator: Estimator, most: float) -> list[list[Cell]]:
    """The group, or the fewest parts of it that take no longer than `most`, as far as it can be split.

    Cells that are watched in one pass stay together: apart, each part would take as long as all of them.
    """
    if group[0].path.moves:
        return [group]
    number = 1
    parts = [group]
    while number < len(group) and max(estimator.group(part).seconds for part in parts) > most:
        number += 1
        parts = [[] for _ in range(number)]
        for cell in sorted(group, key=lambda it: -estimator.cell(it).seconds):
            min(parts, key=lambda part: (estimator.group([*part, cell]).seconds, len(part))).append(cell)
    return parts
