# SPDX-License-Identifier: Apache-2.0
"""The two ends of an edge, and what is said of a user's values, with the step that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.matrix.release import Release
from harness.report.advice import Origin, Sentence


@dataclass(frozen=True, kw_only=True)
class End:
    """One end of an edge: the release's name, its row if it has one, and its chart's values if they are known.

    `chart` says where the values are from.
    """

    name: str
    release: Release | None = None
    defaults: Mapping[str, Any] | None = None
    chart: str = ""


@dataclass(frozen=True, kw_only=True)
class Remark:
    """A sentence, and the step that follows from it: empty if there is nothing to do before the upgrade.

    `stops` says that the upgrade fails, or the operator does not come up, without the step.
    """

    sentence: Sentence
    step: str = ""
    stops: bool = False


def to_do(text: str, end: End, step: str, *, stops: bool = False) -> Remark:
    """A remark that rests on an end's row, with its step."""
    return Remark(sentence=catalogued(text, end), step=step, stops=stops)


def catalogued(text: str, end: End) -> Sentence:
    """A sentence that rests on an end's row."""
    return Sentence(text=text, origin="from the catalogue", where=f"row of {end.name} in charts/releases.toml")


def read(text: str, end: End) -> Sentence:
    """A sentence that rests on an end's chart."""
    origin: Origin = "from the chart"
    return Sentence(text=text, origin=origin, where=chart_of(end))


def chart_of(end: End) -> str:
    """Where the values of an end's chart are from."""
    return end.chart or f"values.yaml of the chart of {end.name}"
