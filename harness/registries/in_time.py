# SPDX-License-Identifier: Apache-2.0
"""Waits for a server to begin its answer, and no longer than that takes elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.late import httpx
from harness.registries.pace import Body
from harness.waiting import Deadline

_LOOK = 1.0
"""Seconds after which it is looked at again whether the content of a request goes out."""


def begun(
    send: Callable[[], httpx.Response], request: httpx.Request, *, seconds: float, body: Body | bytes = b""
) -> httpx.Response:
    """The response that `send` returns with its headers read. Raises httpx.ReadTimeout after so many seconds; of a
    request with a file as its `body`, as soon as that goes out too slowly, or is not answered.

    The timeout of a client is that of each read: a server that sends its headers byte by byte is heard for days.
    """
    found: list[httpx.Response] = []
    failed: list[BaseException] = []
    given_up = threading.Event()

    def run() -> None:
        try:
            found.append(send())
        except BaseException as error:  # it is raised where it is waited for
            failed.append(error)
        if given_up.is_set() and found:
            found[0].close()

    waiting = threading.Thread(target=run, daemon=True)
    waiting.start()
    patience = body if isinstance(body, Body) else Deadline(seconds=seconds)
    while waiting.is_alive() and (left := patience.left):
        waiting.join(min(left, _LOOK))
    if failed:
        raise failed[0]
    if not found:
        given_up.set()
        late = f"it did not end its headers within {seconds:.0f} s"
        if isinstance(body, Body):
            late, body.given_up = body.late, True
        raise httpx.ReadTimeout(late, request=request)
    return found[0]
