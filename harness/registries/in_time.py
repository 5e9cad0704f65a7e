# SPDX-License-Identifier: Apache-2.0
"""Waits for a server to begin its answer, and no longer than that takes elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.late import httpx


def begun(send: Callable[[], httpx.Response], request: httpx.Request, *, seconds: float) -> httpx.Response:
    """The response that `send` returns with its headers read. Raises httpx.ReadTimeout after so many seconds.

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
    waiting.join(seconds)
    if failed:
        raise failed[0]
    if not found:
        given_up.set()
        raise httpx.ReadTimeout(f"it did not end its headers within {seconds:.0f} s", request=request)
    return found[0]
