# SPDX-License-Identifier: Apache-2.0
"""Numbers of things read as English, also where there is only one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.wording import counted

HARNESS = Path(__file__).parents[2] / "harness"
BY_HAND = re.compile(r"""else ["']{1,2}s["'] *\}|["']s["'] if """)


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
