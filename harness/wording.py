# SPDX-License-Identifier: Apache-2.0
"""How many of something there are, in words."""

from __future__ import annotations


def counted(number: int, one: str, more: str = "") -> str:
    """`1 cell`, `2 cells`; with `more`, what stands after any other number: `1 pod has`, `2 pods have`."""
    return f"{number} {one if number == 1 else more or f'{one}s'}"
