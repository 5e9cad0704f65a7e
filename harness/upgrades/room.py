# SPDX-License-Identifier: Apache-2.0
"""Lets applications begin a few at a time, as people submit them: at once they would overload the host they run on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from harness.errors import WaitTimeout
from harness.processors import usable
from harness.waiting import Deadline, until

_LEAST = 2
_STILL_SECONDS = 40.0
"""What has not moved for so long, such as an application that nobody submits, does not load the host either. Five
submissions at once, as a new leader makes them, take 27 s on two processors.
"""

_MOST_SECONDS = 60.0
"""For all the waiting of one path."""


def at_once() -> int:
    """How many applications may start at the same time: a submission, then a driver, keeps a processor busy."""
    return max(_LEAST, int(usable()))


class Room:
    """`starting` says how many applications are being submitted or started, `quiet` for how many seconds nothing has
    happened to any; `most` is how many may be.
    """

    def __init__(self, starting: Callable[[], int], quiet: Callable[[], float], most: int) -> None:
        self._starting = starting
        self._quiet = quiet
        self._most = most
        self._deadline: Deadline | None = None
        self._still = False

    def wait(self) -> None:
        """Wait until there is room for one more: a minute at most for all such waits together, and no more once nothing
        moves. Raises Cancelled.
        """
        self._deadline = self._deadline or Deadline(seconds=_MOST_SECONDS)
        with suppress(WaitTimeout):
            until(self._is_over, what="room for one more application", timeout=self._deadline.left, interval=0.05)

    def _is_over(self) -> bool:
        self._still = self._still or self._quiet() > _STILL_SECONDS
        return self._still or self._starting() < self._most
