# SPDX-License-Identifier: Apache-2.0
"""What of a user's values a run takes otherwise, and what of its own it leaves out beside them."""

from __future__ import annotations

from typing import Any

import pytest

from harness.releases.for_a_run import adapted


@pytest.mark.parametrize(
    ("scheduler", "left_out"),
    [
        ({"enable": True, "default": "volcano"}, True),
        ({"enable": True, "default": "bin-packing", "kubeSchedulerNames": ["bin-packing"]}, True),
        ({"enable": True, "default": "vulcano"}, False),
        ({"enable": True, "default": "default-scheduler", "kubeSchedulerNames": ["default-scheduler"]}, False),
        ({"enable": False, "default": "volcano"}, False),
    ],
)
def test_a_scheduler_for_all_applications_is_left_out_where_the_operator_knows_it(
    scheduler: dict[str, Any], left_out: bool
) -> None:
    """With one that it does not know the operator ends at its start: that is told as a mistake, and not hidden."""
    given = {"controller": {"batchScheduler": scheduler}}
    (values,), told = adapted([given])
    assert bool(told) is left_out
    assert (values == given) is not left_out
