# SPDX-License-Identifier: Apache-2.0
"""Claims about what may come a little later."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from test_apps_claims import told

from harness.apps import awaited, claims
from harness.kube.models import Event
from harness.verdicts import Verdict


class Late:
    """A namespace that has the event of the end at the second look: no API server lets its recorder be slow."""

    def __init__(self) -> None:
        self.looks = 0

    def events(self) -> list[Event]:
        self.looks += 1
        reasons = (*claims.SUCCESS_EVENTS[: 2 if self.looks < 2 else 3], "SparkExecutorRunning")
        return told(*reasons)


def test_an_event_may_come_after_what_it_tells_of() -> None:
    ctx = cast(Any, SimpleNamespace(within=lambda seconds: seconds))
    assert awaited.events(ctx, cast(Any, Late()), "spark-pi").verdict is Verdict.PASSED


def test_an_event_that_never_comes_is_missed() -> None:
    ctx = cast(Any, SimpleNamespace(within=lambda seconds: 0.1))
    missing = awaited.events(ctx, cast(Any, Late()), "spark-pi", wanted=("SparkApplicationFailed",))
    assert missing.message == "no event SparkApplicationFailed about SparkApplication/spark-pi"
