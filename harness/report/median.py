# SPDX-License-Identifier: Apache-2.0
"""The median of a few measurements, with an interval that assumes nothing of how they are distributed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

WANTED = 0.95
METHOD = (
    "order statistics of the samples (binomial, no distribution assumed); the median's, at the coverage of each row"
)


@dataclass(frozen=True, kw_only=True)
class Median:
    """`low` and `high` hold the true median with probability `coverage`; `spread` is the highest less the lowest."""

    median: float
    low: float
    high: float
    coverage: float
    spread: float


def median(samples: Sequence[float]) -> Median:
    """The median with the narrowest interval from the k-th lowest to the k-th highest that covers `WANTED`.

    Fewer than six samples cannot cover 0.95: then it is lowest to highest, with what that covers (five: 0.9375). The
    true median lies outside of these two when at most k-1 of n fair coins show heads, or tails.
    """
    ordered = sorted(samples)
    number = len(ordered)

    def coverage(k: int) -> float:
        return 1.0 - 2.0 * sum(math.comb(number, heads) for heads in range(k)) / float(2**number)

    k = max((it for it in range(1, number // 2 + 1) if coverage(it) >= WANTED), default=1)
    return Median(
        median=round(statistics.median(ordered), 3),
        low=ordered[k - 1],
        high=ordered[-k],
        coverage=round(max(0.0, coverage(k)), 4),
        spread=round(ordered[-1] - ordered[0], 3),
    )
