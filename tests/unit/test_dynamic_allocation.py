# SPDX-License-Identifier: Apache-2.0
"""Counting executors while they come and go."""

from __future__ import annotations

from pod_samples import spark_pod

from harness.apps.pods import SparkPod
from harness.stories.installs.scenarios.dynamic_allocation import Tide


def executor(number: int, phase: str = "Running", *, leaving: bool = False) -> SparkPod:
    """An executor pod."""
    return spark_pod(name=f"exec-{number}", uid=f"e-{number}", role="executor", phase=phase, leaving=leaving)


def test_executors_that_come_and_go_are_counted() -> None:
    tide = Tide()
    tide.note("ADDED", spark_pod())
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2, "Pending"))
    tide.note("MODIFIED", executor(2))
    tide.note("MODIFIED", executor(1, leaving=True))
    tide.note("DELETED", executor(1))
    assert tide.counts == [0, 1, 2, 1]
    assert (tide.peak, tide.ebb) == (2, 1)


def test_a_pod_that_waits_for_room_has_not_grown_anything() -> None:
    tide = Tide()
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2, "Pending"))
    assert tide.peak == 1


def test_executors_that_go_with_their_driver_have_not_shrunk() -> None:
    tide = Tide()
    tide.note("ADDED", spark_pod())
    tide.note("ADDED", executor(1))
    tide.note("ADDED", executor(2))
    tide.note("MODIFIED", spark_pod(phase="Succeeded"))
    tide.note("DELETED", executor(1))
    assert tide.driver_ended
    assert tide.ebb == 2
