# SPDX-License-Identifier: Apache-2.0
"""Pods as scenarios look at them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from harness.apps.pods import by_role, java_memory, observe
from harness.kube.amounts import amount


def driver(**metadata: Any) -> dict[str, Any]:
    """A driver pod with a sidecar in front, as the API would show it."""
    resources = {"requests": {"cpu": "100m"}, "limits": {"cpu": "1"}}
    return {
        "metadata": {
            "name": "spark-pi-driver",
            "uid": "u-1",
            "labels": {"spark-role": "driver"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "SparkApplication", "name": "spark-pi", "uid": "u-0"}],
            **metadata,
        },
        "spec": {
            "nodeName": "node-1",
            "serviceAccountName": "spark-operator-spark",
            "containers": [
                {"name": "sidecar", "image": "example/sidecar:1"},
                {
                    "name": "spark-kubernetes-driver",
                    "image": "docker.io/apache/spark:4.0.4",
                    "env": [{"name": "A", "value": "1"}],
                    "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "token"}}],
                    "volumeMounts": [{"name": "code", "mountPath": "/opt/code"}],
                    "resources": resources,
                },
            ],
        },
        "status": {
            "phase": "Pending",
            "containerStatuses": [
                {
                    "name": "spark-kubernetes-driver",
                    "image": "docker.io/apache/spark:4.0.4",
                    "imageID": "docker.io/apache/spark@sha256:0",
                    "ready": False,
                    "restartCount": 0,
                    "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}},
                    "resources": resources,
                }
            ],
        },
    }


def test_a_pod_is_described_by_its_spark_container() -> None:
    pod = observe(driver())
    assert pod.image == "docker.io/apache/spark:4.0.4"
    assert pod.main.image_id == "docker.io/apache/spark@sha256:0"
    assert pod.main.mounts == {"code": "/opt/code"}
    assert pod.main.environment == {"A": "1"}
    assert pod.main.allocated == {"requests.cpu": "100m", "limits.cpu": "1"}
    assert pod.main.config_maps == ("settings",)
    assert pod.owners == ("SparkApplication/spark-pi",)


def test_why_a_pod_does_not_run_is_in_its_words() -> None:
    assert str(observe(driver())) == "spark-pi-driver Pending (ImagePullBackOff: no such tag)"


def test_a_pod_that_is_being_deleted_is_not_live() -> None:
    assert observe(driver()).is_live
    assert not observe(driver(deletionTimestamp="2026-01-01T00:00:00Z")).is_live


def test_pods_are_told_apart_by_role() -> None:
    assert [pod.uid for pod in by_role([observe(driver())], "driver")] == ["u-1"]
    assert by_role([observe(driver())], "executor") == []


@pytest.mark.parametrize(("left", "right"), [("0.5", "500m"), ("1Gi", "1024Mi"), ("1", "1000m")])
def test_quantities_are_compared_as_amounts(left: str, right: str) -> None:
    assert amount(left) == amount(right)


@pytest.mark.parametrize(("java", "kubernetes"), [("512m", "512Mi"), ("1g", "1Gi"), ("1G", "1024Mi"), ("2048k", "2Mi")])
def test_memory_of_a_jvm_is_binary(java: str, kubernetes: str) -> None:
    assert java_memory(java) == amount(kubernetes)


def test_memory_without_a_unit_is_bytes() -> None:
    assert java_memory("1048576") == Decimal(1048576)
