# SPDX-License-Identifier: Apache-2.0
"""How many of something there are, in words, and words of a length that people read."""

from __future__ import annotations

import re

_ENDLESS = re.compile(r"(\S{150})\S{150,}(\S{50})")


def without_endless(text: str) -> str:
    """The text with the middle of each word left out that has more than 350 letters, as somebody's mistake has them."""
    return _ENDLESS.sub(r"\1…\2", text)


def counted(number: int, one: str, more: str = "") -> str:
    """`1 cell`, `2 cells`; with `more`, what stands after any other number: `1 pod has`, `2 pods have`."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"
