# SPDX-License-Identifier: Apache-2.0
"""The run's one seed, and what is made up from it: the same seed gives the same names and phrases on any machine."""

from __future__ import annotations

import hashlib
import secrets

LIMIT = 2**32
"""Seeds are whole numbers from 0 up to this, without it."""


def new_seed() -> int:
    """A seed for a run that was given none."""
    return secrets.randbelow(LIMIT)


def of_attempt(seed: int, number: int) -> int:
    """The seed of a run's n-th attempt: the run's own for the first, so that a run of one attempt repeats any."""
    return seed if number == 1 else int(token(seed, "attempt", str(number), digits=8), 16)


def token(seed: int, *purpose: str, digits: int) -> str:
    """Hexadecimal digits that follow from seed and purpose alone; at most 64."""
    return hashlib.sha256("\0".join([str(seed), *purpose]).encode()).hexdigest()[:digits]
