# SPDX-License-Identifier: Apache-2.0
"""The operator under test in a lock: what tells it from any other, and not the operator itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.matrix.model import Cell
from harness.run.lock import LockedOperator

if TYPE_CHECKING:
    from harness.under_test.operator import UnderTest


def locked(found: UnderTest | None, cell: Cell) -> LockedOperator | None:
    """The one of a run as the lock of a cell has it; None where the cell does not install it."""
    if found is None or found.release.name not in cell.path.releases:
        return None
    git = found.git
    return LockedOperator(
        name=found.release.name,
        given="checkout" if found.is_checkout else "image",
        sha256=found.sha256,
        commit=git.commit if git else "",
        dirty=bool(git and git.changed),
        diff=git.diff if git else "",
    )
