# SPDX-License-Identifier: Apache-2.0
"""Waits for a change of Kubernetes objects, without missing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from harness.errors import ApiError, ApiServerAway, WaitTimeout
from harness.kube.api import api_errors, raw
from harness.late import watch
from harness.waiting import Cancelled, Deadline, brief, cancelled, rest

T = TypeVar("T")

_PASSING = frozenset({410, 429, 500, 502, 503, 504})
"""What an API server, or a load balancer before it, answers while it cannot serve a list or a watch."""

AWAY_SECONDS = 60.0
"""After a node is restarted, its API server is back within half of this."""


def watch_until(
    list_call: Callable[..., Any],
    done: Callable[[str, Any], T | None],
    *,
    what: str,
    timeout: float,
    describe: Callable[[Any], str] = lambda item: brief(item),
    seen: str = "no such object",
    next_step: str = "",
    hopeless: Callable[[], str] = lambda: "",
    window: int = 5,
    named: str = "",
    known: Iterable[Mapping[str, Any]] = (),
    **arguments: Any,
) -> T:
    """Watch an API list call until `done(event type, object)` returns something other than None, and return that.

    The list call (say CoreV1Api.list_namespaced_pod, or CustomObjectsApi.list_namespaced_custom_object) gets
    `arguments`; objects come as JSON, which is what the server said. Those that exist already come first, as ADDED;
    after that no change is missed, since a window goes on where the last one ended. Only an expired resource version
    restarts the watch, with a list: what that lacks of the objects seen before, and of those `known` to the caller,
    comes as DELETED, as it was last seen. With `named`, objects of other names are passed over. `hopeless` is called
    every `window` seconds; if it returns a reason why the condition can no longer be met, the wait ends. Raises
    WaitTimeout with the last object as `describe` puts it (`seen` as long as there was none), and Cancelled;
    ApiServerAway when the API server cannot be reached for AWAY_SECONDS, or not at the end.
    """
    deadline = Deadline(seconds=timeout)
    away: Deadline | None = None
    changes = _Changes(list_call, arguments, known)
    while deadline.left > 0:
        if cancelled():
            raise Cancelled(f"gave up waiting for {what}: the run is being stopped")
        # Short windows, since a blocked read cannot hear a cancellation.
        seconds = max(1, min(window, int(deadline.left) + 1))
        try:
            for event in changes.window(seconds):
                if named and event["object"]["metadata"]["name"] != named:
                    continue
                told = describe(event["object"])
                seen = told if event["type"] != "DELETED" else f"deleted: {told}"
                result = done(event["type"], event["object"])
                if result is not None:
                    return result
            away = None
        except ApiServerAway as error:
            seen = f"API server unreachable: {error.reason}"
            away = away or Deadline(seconds=AWAY_SECONDS)
            rest(0.5)
        except ApiError as error:
            away = None
            if error.status not in _PASSING:
                raise
            changes.restart()
            seen = f"API server answered {error.status} {error.reason}"
            rest(0.5)
        if away is not None and (away.left <= 0 or deadline.left <= 0):
            told = (
                f"the API server could not be reached for {away.elapsed:.0f} s, waiting for {what}; last seen: {seen}"
            )
            raise ApiServerAway(told, next_step, reason=seen)
        why = hopeless()
        if why:
            told = f"gave up after {deadline.elapsed:.0f} s waiting for {what}: {why}; last seen: {seen}"
            raise WaitTimeout(told, next_step, last_seen=seen)
    raise WaitTimeout(f"waited {timeout:.0f} s for {what}; last seen: {seen}", next_step, last_seen=seen)


class _Changes:
    """What a list call lists, and then its changes, window by window.

    The list comes first, since its resource version is the only place from which a watch misses nothing and repeats
    nothing. A watch without one begins with the objects that exist, each with the version of its own last change; going
    on from there would tell again what was changed and deleted since, long before the watch.
    """

    def __init__(
        self, list_call: Callable[..., Any], arguments: dict[str, Any], known: Iterable[Mapping[str, Any]]
    ) -> None:
        self._call = list_call
        self._version = arguments.pop("resource_version", None)
        self._arguments = arguments
        self._known = {_identity(it): it for it in known}

    def restart(self) -> None:
        """Begin again with what exists."""
        self._version = None

    def window(self, seconds: int) -> Iterator[Mapping[str, Any]]:
        """The objects that exist, or the changes of the next `seconds`. Raises ApiError."""
        for event in self._listed() if self._version is None else self._watched(seconds):
            item = event["object"]
            if event["type"] == "DELETED":
                self._known.pop(_identity(item), None)
            else:
                self._known[_identity(item)] = item
            yield event

    def _listed(self) -> Iterator[Mapping[str, Any]]:
        there = json.loads(raw(self._call, **self._arguments))
        self._version = there["metadata"]["resourceVersion"]
        # Objects of a list do not say what they are; those of a watch do.
        kind = {"apiVersion": there["apiVersion"], "kind": str(there["kind"]).removesuffix("List")}
        items = [{**kind, **item} for item in there.get("items") or ()]
        gone = self._known.keys() - {_identity(it) for it in items}
        yield from ({"type": "DELETED", "object": it} for key, it in list(self._known.items()) if key in gone)
        yield from ({"type": "ADDED", "object": it} for it in items)

    def _watched(self, seconds: int) -> Iterator[Mapping[str, Any]]:
        watcher = watch.Watch(return_type="object")  # type: ignore[no-untyped-call]
        try:
            with api_errors():
                # With bookmarks the version stays young where only objects of others change.
                for event in watcher.stream(  # type: ignore[no-untyped-call]
                    self._call,
                    timeout_seconds=seconds,
                    _request_timeout=seconds + 10,
                    resource_version=self._version,
                    allow_watch_bookmarks=True,
                    **self._arguments,
                ):
                    self._version = watcher.resource_version
                    if event and event["type"] != "BOOKMARK":
                        yield event
        finally:
            watcher.stop()  # type: ignore[no-untyped-call]


def _identity(item: Mapping[str, Any]) -> str:
    """Which object it is: one that was made anew under the same name is another."""
    metadata = item["metadata"]
    return str(metadata.get("uid") or f"{metadata.get('namespace', '')}/{metadata['name']}")
