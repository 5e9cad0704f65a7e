# SPDX-License-Identifier: Apache-2.0
"""The least speed at which content comes from a registry and goes to one, so that no transfer goes on for ever.

A timeout is that of each read or write: content that dribbles never runs into it, however long it takes as a whole.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.errors import RegistryError
from harness.waiting import Deadline

PART = 1 << 16
SECONDS = 60.0
"""64 KiB a minute is about a kilobyte a second, at which dnf gives up, too (its `minrate`)."""
ANSWER_SECONDS = 600.0
"""A registry may hash a whole layer before it answers that it has it."""


class TooSlowError(RegistryError):
    """Content that came, or went, at less than the least speed."""


def told() -> str:
    """The least speed in words."""
    return f"{PART >> 10} KiB within {SECONDS:.0f} s"


class Pace:
    """Whether content keeps to the least speed, from one minute to the next."""

    def __init__(self) -> None:
        self._minute = Deadline(seconds=SECONDS)
        self._moved = 0

    def lags(self, count: int) -> bool:
        """Whether a minute has ended in which too little has moved; `count` is the number of bytes that moved now."""
        self._moved += count
        if self._minute.left:
            return False
        lags = self._moved < PART
        self._minute, self._moved = Deadline(seconds=SECONDS), 0
        return lags


class Body:
    """A file as the content of a request, and the time that is left for its next part, or for the answer to all of it.

    `go_on` is called before each part, and may raise. It is read by one thread, and may be looked at by others.
    """

    def __init__(self, file: Path, go_on: Callable[[], None]) -> None:
        self._file = file
        self._go_on = go_on
        self._whole = False
        self._moved = time.monotonic()
        self.given_up = False

    def __iter__(self) -> Iterator[bytes]:
        with self._file.open("rb") as stream:
            while (part := stream.read(PART)) and not self.given_up:
                self._go_on()
                self._moved = time.monotonic()
                yield part
        self._moved = time.monotonic()
        self._whole = True

    @property
    def left(self) -> float:
        """Seconds that are left, never negative."""
        seconds = ANSWER_SECONDS if self._whole else SECONDS
        return max(0.0, self._moved + seconds - time.monotonic())

    @property
    def late(self) -> str:
        """What did not happen in time."""
        return f"it did not answer within {ANSWER_SECONDS:.0f} s" if self._whole else f"it did not take {told()}"
