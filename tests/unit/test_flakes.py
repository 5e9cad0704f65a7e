# SPDX-License-Identifier: Apache-2.0
"""The flake rate of repeated cells: what counts, and how sure it is."""

from __future__ import annotations

import pytest
from report_samples import result

from harness.report.flakes import flakes, told, wilson
from harness.report.model import CellResult

PASSED, FAILED, ERROR, UNAVAILABLE, KNOWN = "spark-pi", "retry", "config-map", "ttl", "scheduled"


def attempts(*scenarios: str) -> list[CellResult]:
    return [
        result(scenario, attempt=number).model_copy(update={"id": "e/p/s"})
        for number, scenario in enumerate(scenarios, 1)
    ]


@pytest.mark.parametrize(
    ("failed", "total", "low", "high"),
    # Agresti and Coull (1998), "Approximate is better than exact", and textbooks after it.
    [
        (2, 20, 0.0279, 0.3010),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 2, 0.0945, 0.9055),
        (5, 100, 0.0215, 0.1118),
    ],
)
def test_the_interval_is_wilsons(failed: int, total: int, low: float, high: float) -> None:
    assert wilson(failed, total) == pytest.approx((low, high), abs=5e-5)


def test_two_failures_of_twenty_give_a_rate_with_its_interval() -> None:
    (flake,) = flakes(attempts(*[PASSED] * 18, FAILED, FAILED))

    assert (flake.attempts, flake.passed, flake.failed, flake.errors) == (20, 18, 2, 0)
    assert (flake.rate, flake.low, flake.high) == (0.1, 0.0279, 0.301)
    assert told(flake) == "failed 2 of 20: 10 % (95 %: 3\N{EN DASH}30 %)"


def test_attempts_that_proved_nothing_are_told_and_not_counted() -> None:
    (flake,) = flakes(attempts(PASSED, FAILED, ERROR, UNAVAILABLE, KNOWN))

    assert (flake.attempts, flake.passed, flake.failed, flake.errors) == (5, 2, 1, 2)
    assert flake.rate == pytest.approx(1 / 3, abs=1e-4)
    assert told(flake).endswith("; 2 more inconclusive")


def test_nothing_proved_is_no_rate() -> None:
    (flake,) = flakes(attempts(ERROR, ERROR))

    assert (flake.rate, flake.low, flake.high) == (None, None, None)
    assert told(flake) == "failed 0 of 0; 2 more inconclusive"


def test_a_cell_that_ran_once_has_no_rate() -> None:
    assert flakes([result(PASSED), result(FAILED)]) == ()
