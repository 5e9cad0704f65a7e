# SPDX-License-Identifier: Apache-2.0
"""Why an application's pods wait: what is outside of the product, and what is not known to be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pod_samples import spark_pod

from harness.apps.held_up import InVain, judge
from harness.apps.pods import SparkPod
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
        ("FailedScheduling: 0/1 nodes are available: 1 Insufficient memory, 1 Insufficient nvidia.com/gpu.", True),
        ("FailedScheduling: 0/1 nodes are available: 1 Insufficient hugepages-2Mi.", True),
        ("FailedScheduling: 1 node(s) didn't have free ports for the requested pod ports.", True),
        ("FailedScheduling: 0/1 nodes are available: 1 node(s) didn't match pod affinity rules.", True),
        ("FailedScheduling: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.", True),
        ('FailedMount: MountVolume.SetUp failed for volume "b" : hostPath type check failed: /mnt is no', True),
        ("FailedMount: driver name secrets-store.csi.k8s.io not found in the list of registered CSI drivers", True),
        ('FailedMount: MountVolume.SetUp failed for volume "nas" : mount failed: exit status 32', True),
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


@pytest.mark.parametrize("name", ["spark-drv-3f1a2b9c-conf-map", "spark-exec-3f1a2b9c-conf-map"])
def test_sparks_own_config_map_comes_after_the_pod(name: str) -> None:
    words = f'MountVolume.SetUp failed for volume "spark-conf-volume-driver" : configmap "{name}" not found'
    early = Event(reason="FailedMount", about="Pod/etl-driver", message=words, kind="Warning")
    assert judge([spark_pod(name="etl-driver", phase="Pending")], [early]) is None


def test_what_a_pod_has_got_over_holds_it_up_no_more() -> None:
    about, minute = "Pod/etl-driver", datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    words = 'persistentvolumeclaim "data" not found'
    before = Event(reason="FailedScheduling", about=about, message=words, kind="Warning", at=minute)
    pulls = Event(reason="Pulling", about=about, message="Pulling image", at=minute + timedelta(seconds=5))
    pods = [spark_pod(name="etl-driver", phase="Pending")]
    assert judge(pods, [before, pulls]) is None
    again = replace(before, at=minute + timedelta(seconds=5))
    found = judge(pods, [pulls, again])
    assert found is not None
    assert found.outside


class Waiting:
    """A namespace in which the driver of etl waits for a ConfigMap that nobody brought."""

    def spark_pods(self) -> list[SparkPod]:
        return [spark_pod(name="etl-driver", application="etl", phase="Pending")]

    def events(self) -> list[Event]:
        words = 'MountVolume.SetUp failed for volume "job" : configmap "job-code" not found'
        return [Event(reason="FailedMount", about="Pod/etl-driver", message=words, kind="Warning")]


def test_what_nobody_brings_is_not_waited_for_for_long() -> None:
    waits = InVain(cast(Any, Waiting()), "etl")
    assert [waits.hopeless() for _ in range(5)] == [""] * 5
    assert waits.hopeless().startswith("pod etl-driver waits: FailedMount")


def test_others_of_the_namespace_are_nobodys_business() -> None:
    waits = InVain(cast(Any, Waiting()), "other")
    assert {waits.hopeless() for _ in range(20)} == {""}
