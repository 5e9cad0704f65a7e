# SPDX-License-Identifier: Apache-2.0
"""What is done beside the checks, in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable

from harness.errors import HarnessError


class Beside:
    """Something that is done in a thread of its own until it is ended; what stops it is raised at the end."""

    def __init__(self, act: Callable[[threading.Event], None]) -> None:
        self.over = threading.Event()
        self._problem: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(act,), name="planted", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """End it. Raises HarnessError for what went wrong in it."""
        self.over.set()
        self._thread.join()
        if self._problem:
            raise HarnessError(f"the fault could not be planted: {self._problem}") from self._problem

    def _run(self, act: Callable[[threading.Event], None]) -> None:
        try:
            act(self.over)
        except Exception as problem:
            self._problem = problem
