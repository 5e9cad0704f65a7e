# SPDX-License-Identifier: Apache-2.0
"""The flake rate of repeated cells, with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.report.model import GREEN, CellResult, FlakeResult
from harness.verdicts import Verdict

_Z = 1.959964
"""95 % of a normal distribution lies within this many standard deviations."""


def flakes(cells: Iterable[CellResult]) -> tuple[FlakeResult, ...]:
    """One entry for each cell with several attempts, in the order of the first attempts."""
    attempts: dict[str, list[Verdict]] = {}
    for cell in cells:
        attempts.setdefault(cell.id, []).append(cell.verdict)
    return tuple(_flake(cell_id, verdicts) for cell_id, verdicts in attempts.items() if len(verdicts) > 1)


def wilson(failed: int, total: int) -> tuple[float, float]:
    """The ends of the 95 % interval of a rate after Wilson (1927), which is sound for few trials and rates near 0.

    `total` is at least 1.
    """
    rate, z2 = failed / total, _Z * _Z
    centre = rate + z2 / (2 * total)
    half = _Z * math.sqrt(rate * (1 - rate) / total + z2 / (4 * total * total))
    scale = 1 + z2 / total
    # At the ends the formula gives 0 and 1 up to rounding.
    return (0.0 if failed == 0 else (centre - half) / scale, 1.0 if failed == total else (centre + half) / scale)


def told(flake: FlakeResult) -> str:
    """`failed 2 of 20: 10 % (95 %: 3\u201330 %)`, and how many attempts were inconclusive."""
    counted = flake.passed + flake.failed
    text = f"failed {flake.failed} of {counted}"
    if flake.rate is not None and flake.low is not None and flake.high is not None:
        text += f": {flake.rate * 100:.0f} % (95 %: {flake.low * 100:.0f}\u2013{flake.high * 100:.0f} %)"
    if flake.errors:
        text += f"; {flake.errors} more inconclusive"
    return text


def _flake(cell_id: str, verdicts: list[Verdict]) -> FlakeResult:
    failed = verdicts.count(Verdict.FAILED)
    good = sum(verdict in GREEN for verdict in verdicts)
    counted = failed + good
    low, high = wilson(failed, counted) if counted else (None, None)
    return FlakeResult(
        id=cell_id,
        attempts=len(verdicts),
        passed=good,
        failed=failed,
        errors=len(verdicts) - counted,
        rate=round(failed / counted, 4) if counted else None,
        low=None if low is None else round(low, 4),
        high=None if high is None else round(high, 4),
    )
