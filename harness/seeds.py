# SPDX-License-Identifier: Apache-2.0
"""The run's seed and what is derived from it: the same seed gives the same names and phrases on any machine."""

from __future__ import annotations

import hashlib
import secrets

LIMIT = 2**32
"""Seeds are integers from 0 up to, but not including, this."""


def new_seed() -> int:
    """A random seed, for a run without --seed."""
    return secrets.randbelow(LIMIT)


def of_attempt(seed: int, number: int) -> int:
    """The seed of a run's n-th attempt: for the first the run's own, so that a single-attempt run can repeat any."""
    return seed if number == 1 else int(token(seed, "attempt", str(number), digits=8), 16)


def token(seed: int, *purpose: str, digits: int) -> str:
    """Hexadecimal digits derived from seed and purpose alone; at most 64."""
    return hashlib.sha256("\0".join([str(seed), *purpose]).encode()).hexdigest()[:digits]
