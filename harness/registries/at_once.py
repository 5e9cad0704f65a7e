# SPDX-License-Identifier: Apache-2.0
"""Asks several servers at the same time, and waits for none of them longer than for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

from harness.waiting import Deadline

_Asked = TypeVar("_Asked")
_Answer = TypeVar("_Answer")


def ask_all(wanted: Iterable[_Asked], ask: Callable[[_Asked], _Answer], *, seconds: float) -> dict[_Asked, _Answer]:
    """What `ask` returns for each; without those that took longer than `seconds`. `ask` raises nothing."""
    deadline = Deadline(seconds=seconds)
    answers: dict[_Asked, _Answer] = {}

    def keep(one: _Asked) -> None:
        answers[one] = ask(one)

    # Daemons, since a name server that keeps silent is heard out by getaddrinfo, which no timeout ends.
    threads = [threading.Thread(target=keep, args=(it,), daemon=True) for it in dict.fromkeys(wanted)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.left)
    return dict(answers)
