# SPDX-License-Identifier: Apache-2.0
"""Where waiting is done: tenacity policies, deadlines, and the last observation when a deadline expires.

Only harness/kube/watching.py waits as well, for changes of Kubernetes objects.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import tenacity

from harness.errors import HarnessError, WaitTimeout

T = TypeVar("T")


class Cancelled(HarnessError):
    """The run is being stopped; every wait gives up."""


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """A point in time by which something must have happened. `seconds` is the whole time allowed."""

    seconds: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started


_cancelled = threading.Event()


def cancel_all() -> None:
    """Make every wait of this process raise Cancelled, now and later."""
    _cancelled.set()


def cancelled() -> bool:
    """Whether the run is being stopped."""
    return _cancelled.is_set()


def reset_cancellation() -> None:
    """Allow waits again: for the start of a run, and for teardown, which must be able to wait."""
    _cancelled.clear()


def until(
    observe: Callable[[], T],
    done: Callable[[T], bool] = bool,
    *,
    what: str,
    timeout: float,
    interval: float = 0.2,
    next_step: str = "",
    ignore: tuple[type[BaseException], ...] = (),
    heed_cancel: bool = True,
) -> T:
    """Observe repeatedly until `done` accepts the observation, and return it.

    `interval` is the initial number of seconds between two observations; it grows up to tenfold. Exceptions of `ignore`
    count as "not yet" and are remembered as last seen. Raises WaitTimeout after `timeout` seconds, Cancelled when the
    run is being stopped.
    """
    seen = "nothing yet"

    def look() -> tuple[bool, Any]:
        nonlocal seen
        if heed_cancel and cancelled():
            raise Cancelled(f"gave up waiting for {what}: the run is being stopped")
        try:
            observed = observe()
        except ignore as error:
            seen = f"{type(error).__name__}: {error}"
            return False, None
        seen = brief(observed)
        return done(observed), observed

    growing = tenacity.wait_exponential(multiplier=interval, exp_base=1.25, max=interval * 10)
    deadline = Deadline(seconds=timeout)
    policy = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda result: not result[0]),
        # The last look is at the deadline, not a whole pause after it. tenacity's own clock begins later, when a thread
        # had to wait for a processor, and would have it look without a pause until then.
        stop=lambda state: not deadline.left,
        wait=lambda state: min(growing(state), deadline.left),
        sleep=rest if heed_cancel else time.sleep,
    )
    try:
        return policy(look)[1]  # type: ignore[no-any-return]
    except tenacity.RetryError:
        raise WaitTimeout(f"waited {timeout:.0f} s for {what}; last seen: {seen}", next_step, last_seen=seen) from None


def retry(
    act: Callable[[], T],
    *,
    on: tuple[type[BaseException], ...],
    attempts: int = 3,
    first_pause: float = 0.5,
    when: Callable[[BaseException], bool] = lambda error: True,
) -> T:
    """Retry when one of `on` is raised (and `when` agrees); the last error is raised unchanged."""
    policy = tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, on) and when(error)),
        stop=tenacity.stop_after_attempt(attempts),
        wait=tenacity.wait_exponential(multiplier=first_pause),
        reraise=True,
    )
    return policy(act)


def pause(seconds: float, *, what: str) -> None:
    """Let time pass where time itself is the condition (a soak, a schedule). Raises Cancelled when the run is
    stopped."""
    if _cancelled.wait(seconds):
        raise Cancelled(f"gave up {what}: the run is being stopped")


def rest(seconds: float) -> None:
    """Let a moment pass between two tries. Ends at once when the run is being ended."""
    _cancelled.wait(seconds)


def brief(value: Any, limit: int = 400) -> str:
    """A value in words, not too many of them."""
    text = str(value)
    return text if len(text) <= limit else text[:limit] + " …"
