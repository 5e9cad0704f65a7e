# SPDX-License-Identifier: Apache-2.0
"""Which values an upgrade hands to Helm."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fake_kube import fake_kube
from operator_samples import RELEASE

from harness.kube.models import Container, Pod
from harness.matrix.release import ChartSource
from harness.releases.change import Wanted, values_of
from harness.releases.charts import Chart
from harness.releases.helm import HelmError
from harness.releases.rollout import failing_hook, run_way
from harness.releases.ways.protocol import InstalledRelease, Put
from harness.waiting import Deadline

CHART = Chart(
    path=Path("it.tgz"),
    reference="it",
    name="spark-operator",
    version="2.5.2",
    app_version="2.5.2",
    origin=ChartSource.FILE,
    sha256="0",
    metadata={},
)
INSTALLED = InstalledRelease(
    release=RELEASE.model_copy(update={"registry": "docker.io", "repository": "kubeflow/spark-operator"}),
    chart=CHART,
    name="spark-operator",
    namespace="spark-operator",
    job_namespaces=("a", "b"),
    revision=1,
    values={"image": {"registry": "docker.io"}},
    seconds={},
)
JOBS = {"jobNamespaces": ["a", "b"]}


@pytest.mark.parametrize(
    ("asked", "values"),
    [
        ({}, {"spark": JOBS}),
        ({"crds": "apply"}, {"spark": JOBS}),
        ({"crds": "hook"}, {"spark": JOBS, "hook": {"upgradeCrd": True}}),
        (
            {"values_mode": "pinned-registry"},
            {"spark": JOBS, "image": {"registry": "docker.io", "repository": "kubeflow/spark-operator"}},
        ),
        (
            {"values": [{"controller": {"replicas": 2}}, {"hook": {"upgradeCrd": False}}], "crds": "hook"},
            {"spark": JOBS, "controller": {"replicas": 2}, "hook": {"upgradeCrd": False}},
        ),
    ],
)
def test_the_values_are_the_users_over_what_the_path_asks_for(asked: dict[str, Any], values: dict[str, Any]) -> None:
    assert values_of(INSTALLED, Wanted(release=RELEASE, chart=CHART, **asked)) == values


def hook_pod(name: str, phase: str) -> Pod:
    container = Container(name="hook", image="kubectl")
    return Pod(name=name, uid=name, owner="Job/hook", phase=phase, containers=(container,))


TIMED_OUT = "helm install spark-operator failed: failed pre-install: timed out waiting for the condition"


def test_what_the_api_server_cannot_say_does_not_hide_what_helm_said() -> None:
    def helm(seconds: float, stop: threading.Event) -> Put:
        raise HelmError(TIMED_OUT)

    with fake_kube() as kube:
        api = kube.api
    with pytest.raises(HelmError) as raised:
        run_way(api, "spark-operator", frozenset(), Deadline(seconds=1), helm)
    assert raised.value.message == TIMED_OUT


def test_a_hook_that_failed_twice_will_not_succeed() -> None:
    once = [hook_pod("hook-1", "Failed"), hook_pod("hook-2", "Pending")]
    assert failing_hook(once) is None
    trouble = failing_hook([hook_pod("hook-1", "Failed"), hook_pod("hook-2", "Failed")])
    assert trouble is not None
    assert trouble.final
    assert (trouble.pod, trouble.container) == ("hook-2", "hook")
