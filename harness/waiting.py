# SPDX-License-Identifier: Apache-2.0
"""The only place that waits: tenacity policies, deadlines, and the last observation when a deadline expires."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import tenacity

from harness.errors import HarnessError, WaitTimeout
from harness.late import client, urllib3, watch

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
        seen = _brief(observed)
        return done(observed), observed

    growing = tenacity.wait_exponential(multiplier=interval, exp_base=1.25, max=interval * 10)
    deadline = Deadline(seconds=timeout)
    policy = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda result: not result[0]),
        stop=tenacity.stop_after_delay(timeout),
        # The last look is at the deadline, not a whole pause after it.
        wait=lambda state: min(growing(state), deadline.left),
        sleep=_rest if heed_cancel else time.sleep,
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


AWAY_SECONDS = 60.0
"""After a node is restarted, its API server is back within half of this."""


def watch_until(
    list_call: Callable[..., Any],
    done: Callable[[str, Any], T | None],
    *,
    what: str,
    timeout: float,
    describe: Callable[[Any], str] = lambda obj: _brief(obj),
    seen: str = "no such object",
    next_step: str = "",
    hopeless: Callable[[], str] = lambda: "",
    **arguments: Any,
) -> T:
    """Watch an API list call until `done(event type, object)` returns something other than None, and return that.

    The list call (say CoreV1Api.list_namespaced_pod, or CustomObjectsApi.list_namespaced_custom_object) gets
    `arguments`. Objects that exist already come first, as ADDED; after that no change is missed, since a window goes
    on where the last one ended. Only an expired resource version restarts the watch. `hopeless` is called every few
    seconds; if it returns a reason why the condition can no longer be met, the wait ends, and so it does when
    the API server cannot be reached for AWAY_SECONDS. Raises WaitTimeout with the last object as `describe` puts it
    (`seen` as long as there was none), and Cancelled.
    """
    deadline = Deadline(seconds=timeout)
    away: Deadline | None = None
    watcher = watch.Watch()  # type: ignore[no-untyped-call]
    while deadline.left > 0:
        if cancelled():
            raise Cancelled(f"gave up waiting for {what}: the run is being stopped")
        # Short windows, since a blocked read cannot hear a cancellation.
        window = max(1, min(5, int(deadline.left) + 1))
        if watcher.resource_version is not None:
            arguments["resource_version"] = watcher.resource_version
        try:
            events = watcher.stream(  # type: ignore[no-untyped-call]
                list_call, timeout_seconds=window, _request_timeout=window + 10, **arguments
            )
            for event in events:
                seen = (
                    describe(event["object"]) if event["type"] != "DELETED" else f"deleted: {describe(event['object'])}"
                )
                result = done(event["type"], event["object"])
                if result is not None:
                    return result
            away = None
        except client.ApiException as error:
            away = None
            if error.status not in (410, 429, 500, 503):
                raise
            watcher.resource_version = None
            arguments.pop("resource_version", None)
            seen = f"API server answered {error.status} {error.reason}"
            _cancelled.wait(0.5)
        except urllib3.exceptions.HTTPError as error:
            seen = f"API server unreachable: {error}"
            away = away or Deadline(seconds=AWAY_SECONDS)
            _cancelled.wait(0.5)
        finally:
            watcher.stop()  # type: ignore[no-untyped-call]
        gone = away is not None and away.left <= 0
        why = f"the API server could not be reached for {AWAY_SECONDS:.0f} s" if gone else hopeless()
        if why:
            told = f"gave up after {deadline.elapsed:.0f} s waiting for {what}: {why}; last seen: {seen}"
            raise WaitTimeout(told, next_step, last_seen=seen)
    raise WaitTimeout(f"waited {timeout:.0f} s for {what}; last seen: {seen}", next_step, last_seen=seen)


def pause(seconds: float, *, what: str) -> None:
    """Let time pass where time itself is the condition (a soak, a schedule). Raises Cancelled when the run is
    stopped."""
    if _cancelled.wait(seconds):
        raise Cancelled(f"gave up {what}: the run is being stopped")


def _rest(seconds: float) -> None:
    _cancelled.wait(seconds)


def _brief(value: Any, limit: int = 400) -> str:
    text = str(value)
    return text if len(text) <= limit else text[:limit] + " …"
