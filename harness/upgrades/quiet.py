# SPDX-License-Identifier: Apache-2.0
"""For how long nothing has happened to the applications that are watched."""

from __future__ import annotations

import time

from harness.upgrades.recorder import Recorder


class Quiet:
    """How long nothing has changed."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._seen: tuple[int, ...] = ()
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Seconds since the last change of any application, or of its pods; runs of schedules come for ever."""
        applications = [it for it in self._recorder.applications() if not it.schedule]
        names = {(it.namespace, it.name) for it in applications}
        pods = tuple(it for it in self._recorder.pods() if (it[0], it[1].application) in names)
        seen = (sum(len(it.looks) for it in applications), hash(pods))
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        return time.monotonic() - self._since
