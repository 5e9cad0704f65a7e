# SPDX-License-Identifier: Apache-2.0
"""One seed, and everything that follows from it."""

from __future__ import annotations

from harness import seeds


def test_the_same_seed_makes_up_the_same_things() -> None:
    assert seeds.token(7, "canary", "2.5.2", digits=6) == seeds.token(7, "canary", "2.5.2", digits=6)
    assert len(seeds.token(7, "canary", digits=6)) == 6


def test_seeds_and_purposes_are_told_apart() -> None:
    tokens = [seeds.token(7, "a", "b", digits=16), seeds.token(8, "a", "b", digits=16), seeds.token(7, "ab", digits=16)]
    assert len(set(tokens)) == 3


def test_a_rerun_of_any_attempt_is_a_first_attempt_with_its_seed() -> None:
    third = seeds.of_attempt(7, 3)

    assert seeds.of_attempt(7, 1) == 7
    assert seeds.of_attempt(third, 1) == third
    assert third not in (7, seeds.of_attempt(7, 2))
    assert 0 <= third < seeds.LIMIT


def test_a_run_that_is_given_none_has_another_one_each_time() -> None:
    assert len({seeds.new_seed() for _ in range(5)}) > 1
