# SPDX-License-Identifier: Apache-2.0
"""Names of checks on a path of several moves: which move each is about."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.upgrades.observed import ObservedMove, ObservedPath
    from harness.verdicts import Finding


def of_moves(observed: ObservedPath, judge: Callable[[ObservedMove], Iterable[Finding]]) -> Iterator[Finding]:
    """The findings of every move. On a path of several, the move's name follows the check's: `no-restarts (A → B)`."""
    for move in observed.moves:
        for finding in judge(move):
            if len(observed.moves) == 1:
                yield finding
            else:
                yield finding.model_copy(update={"check": f"{finding.check} ({move.move})"})
