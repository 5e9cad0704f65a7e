# SPDX-License-Identifier: Apache-2.0
"""What the status of a SparkConnect counts, as it is looked at: by a stand-in, since a real operator is soon done."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.stories.installs.scenarios import spark_connect
from harness.verdicts import Verdict


@pytest.mark.parametrize(
    ("last", "verdict"), [({"running": 1}, Verdict.PASSED), ({"pending": 1}, Verdict.FAILED), (None, Verdict.FAILED)]
)
def test_the_operator_may_count_an_executor_a_while_after_it_has_answered(last: object, verdict: Verdict) -> None:
    looks = iter([{}, {"status": None}, {"status": {"executors": None}}, {"status": {"executors": {"pending": 1}}}])
    objects: Any = SimpleNamespace(get=lambda *of: next(looks, {"status": {"executors": last}}))
    context: Any = SimpleNamespace(within=lambda seconds: min(seconds, 2.5))
    found = spark_connect._executors(context, objects, "connect")
    assert found.verdict is verdict
