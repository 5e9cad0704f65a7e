# SPDX-License-Identifier: Apache-2.0
"""Numbers of things in English, the first of many with how many more there are, and names that are near others."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.wording import counted, did_you_mean, first_few, nearest

HARNESS = Path(__file__).parents[2] / "harness"
BY_HAND = re.compile(r"""else ["']{1,2}s["'] *\}|["']s["'] if """)
WORDS_BY_HAND = re.compile(r"""get_close_matches\(.*n=1|did you mean \{\w+\[0\]|\{len\(\w+\) - \w+\} more["']""")


@pytest.mark.parametrize(
    ("number", "words", "told"),
    [
        (0, ("pod",), "0 pods"),
        (1, ("pod",), "1 pod"),
        (2, ("pod",), "2 pods"),
        (1, ("pod has", "pods have"), "1 pod has"),
        (0, ("pass", "passes"), "0 passes"),
    ],
)
def test_one_is_singular(number: int, words: tuple[str, ...], told: str) -> None:
    assert counted(number, *words) == told


def test_no_other_place_makes_plurals_by_hand() -> None:
    assert not [file.name for file in HARNESS.rglob("*.py") if BY_HAND.search(file.read_text())]
    assert not [file.name for file in HARNESS.rglob("*.j2") if BY_HAND.search(file.read_text())]


@pytest.mark.parametrize(
    ("words", "between", "told"),
    [
        ((), ", ", ""),
        (("a", "b"), ", ", "a, b"),
        (("a", "b", "c"), ", ", "a, b and 1 more"),
        (("a, b", "c", "d", "e"), "; ", "a, b; c; and 2 more"),
    ],
)
def test_the_first_few_are_told_with_how_many_more_there_are(words: tuple[str, ...], between: str, told: str) -> None:
    assert first_few(words, 2, between) == told


@pytest.mark.parametrize(
    ("word", "near"), [("mian", "main"), ("man", "main"), ("hotre", "other"), ("release", ""), ("", "")]
)
def test_the_nearest_name_is_meant(word: str, near: str) -> None:
    assert nearest(word, ("main", "other")) == near
    assert did_you_mean(near) == (f"; did you mean {near}?" if near else "")


def test_no_other_place_makes_these_words_by_hand() -> None:
    """A list in lines of its own has other words than one in a sentence."""
    found = {file.name for file in HARNESS.rglob("*.py") if WORDS_BY_HAND.search(file.read_text())}
    assert found == {"wording.py", "guest_proof.py"}
