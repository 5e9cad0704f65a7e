# SPDX-License-Identifier: Apache-2.0
"""A clock that a test sets, for what a registry front counts by time."""

from __future__ import annotations


class Clock:
    """Seconds, which pass only when a test says so: a window of pulls is six hours."""

    now = 0.0

    def __call__(self) -> float:
        return self.now
