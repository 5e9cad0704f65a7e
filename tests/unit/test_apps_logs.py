# SPDX-License-Identifier: Apache-2.0
"""What is read from application logs."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from harness.apps.logs import announced, pi_of, pod_log, spark_version_of, tail
from harness.errors import ApiError

LOG = """\
26/01/01 10:00:00 INFO SparkContext: Running Spark version 4.0.4
26/01/01 10:00:09 INFO DAGScheduler: Job 0 finished: Pi is roughly something
Pi is roughly 3.14182
driver read: a phrase
26/01/01 10:00:10 INFO SparkContext: driver read: not this one
"""


def test_pi_is_the_number_of_the_line_that_the_examples_print() -> None:
    assert pi_of(LOG) == 3.14182


def test_a_log_without_pi_has_none() -> None:
    assert pi_of("INFO nothing here") is None


def test_of_two_estimates_the_last_counts() -> None:
    assert pi_of("Pi is roughly 3.2\nPi is roughly 3.1\n") == 3.1


def test_the_version_is_the_one_that_the_context_announces() -> None:
    assert spark_version_of(LOG) == "4.0.4"
    assert spark_version_of("no Spark") is None


def test_only_lines_that_begin_with_the_prefix_announce() -> None:
    assert announced(LOG, "driver read") == ["a phrase"]
    assert announced(LOG, "executor read") == []


def test_the_tail_is_the_end() -> None:
    assert tail("a\nb\nc", lines=2) == "b\nc"


class Meshed:
    """A CoreV1Api whose one pod has a sidecar before Spark's container; its API server is a stand-in."""

    def read_namespaced_pod_log(self, pod: str, namespace: str, *, container: str = "", **_: Any) -> SimpleNamespace:
        if not container:
            said = f"a container name must be specified for pod {pod}, choose one of: [proxy spark-kubernetes-driver]"
            raise ApiError(said, status=400, reason="Bad Request", body=json.dumps({"message": said}))
        return SimpleNamespace(data=f"{container}: Pi is roughly 3.14".encode())

    def read_namespaced_pod(self, pod: str, namespace: str, **_: Any) -> SimpleNamespace:
        containers = [{"name": "proxy"}, {"name": "spark-kubernetes-driver"}]
        found = {"metadata": {"name": pod, "uid": "u"}, "spec": {"containers": containers}}
        return SimpleNamespace(data=json.dumps(found).encode())


def test_of_a_pod_with_sidecars_the_log_of_sparks_own_container_is_read() -> None:
    assert pod_log(Meshed(), "spark", "spark-pi-driver") == "spark-kubernetes-driver: Pi is roughly 3.14"
