# SPDX-License-Identifier: Apache-2.0
"""Why an application's pods wait: what is outside of the product, and what is not known to be."""

from __future__ import annotations

import pytest
from pod_samples import spark_pod

from harness.apps.held_up import judge
from harness.kube.models import Event


@pytest.mark.parametrize(
    ("words", "outside"),
    [
        ('FailedMount: MountVolume.SetUp failed for volume "job" : configmap "job-code" not found', True),
        ('Failed: Error: secret "login" not found', True),
        ('FailedScheduling: 0/1 nodes are available: persistentvolumeclaim "data" not found.', True),
        ("FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.", True),
        ("FailedScheduling: 0/1 nodes are available: 1 node(s) had untolerated taint {pool: spot}.", True),
        ("FailedScheduling: 0/1 nodes are available: 1 Insufficient memory.", False),
        ("BackOff: Back-off restarting failed container", False),
    ],
)
def test_a_pending_pod_says_what_it_waits_for(words: str, outside: bool) -> None:
    reason, _, message = words.partition(": ")
    event = Event(reason=reason, about="Pod/etl-driver", message=message, kind="Warning")
    found = judge([spark_pod(name="etl-driver", phase="Pending")], [event])
    assert found is not None
    assert (found.words, found.outside) == (f"pod etl-driver waits: {words}", outside)


def test_a_pod_that_runs_waits_for_nothing() -> None:
    event = Event(reason="Unhealthy", about="Pod/etl-driver", message="probe failed", kind="Warning")
    assert judge([spark_pod(name="etl-driver", phase="Running")], [event]) is None
