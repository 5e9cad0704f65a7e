# SPDX-License-Identifier: Apache-2.0
"""Small applications come one after the other, and wait while too many of them are under way."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

from harness.upgrades.submitter import Submitter
from harness.waiting import until

SMALL = [{"kind": "SparkApplication", "metadata": {"name": "small"}, "spec": {}}]


class Kept:
    """Takes the place of the cluster and of what is created in it."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.ended = 0

    def api_client(self) -> Any:
        return nullcontext(None)

    def create(self, objects: Any, manifests: Any, part: Any, when: Any) -> None:
        self.names.append(manifests[0]["metadata"]["name"])

    def under_way(self) -> int:
        return len(self.names) - self.ended


def test_it_waits_while_too_many_are_under_way() -> None:
    kept = Kept()
    submitter = Submitter(
        kept,  # type: ignore[arg-type]
        "it",
        SMALL,
        kept,  # type: ignore[arg-type]
        interval=0.01,
        under_way=kept.under_way,
        most=3,
    )
    submitter.start()
    try:
        until(lambda: len(kept.names) >= 3, what="three to be submitted", timeout=10)
        kept.ended = 2
        until(lambda: len(kept.names) >= 5, what="two more to be submitted", timeout=10)
    finally:
        submitter.stop()
    assert kept.names == [f"small-{number}" for number in range(1, 6)]
