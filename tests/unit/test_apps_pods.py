# SPDX-License-Identifier: Apache-2.0
"""Pods as scenarios look at them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from kubernetes import client

from harness.apps.pods import amount, by_role, java_memory, observe


def driver(**metadata: Any) -> client.V1Pod:
    """A driver pod with a sidecar in front, as the API would show it."""
    return client.V1Pod(
        metadata=client.V1ObjectMeta(
            name="spark-pi-driver",
            uid="u-1",
            labels={"spark-role": "driver"},
            owner_references=[
                client.V1OwnerReference(api_version="v1", kind="SparkApplication", name="spark-pi", uid="u-0")
            ],
            **metadata,
        ),
        spec=client.V1PodSpec(
            node_name="node-1",
            service_account_name="spark-operator-spark",
            containers=[
                client.V1Container(name="sidecar", image="example/sidecar:1"),
                client.V1Container(
                    name="spark-kubernetes-driver",
                    image="docker.io/apache/spark:4.0.4",
                    env=[client.V1EnvVar(name="A", value="1")],
                    volume_mounts=[client.V1VolumeMount(name="code", mount_path="/opt/code")],
                    resources=client.V1ResourceRequirements(requests={"cpu": "100m"}, limits={"cpu": "1"}),
                ),
            ],
        ),
        status=client.V1PodStatus(
            phase="Pending",
            container_statuses=[
                client.V1ContainerStatus(
                    name="spark-kubernetes-driver",
                    image="docker.io/apache/spark:4.0.4",
                    image_id="docker.io/apache/spark@sha256:0",
                    ready=False,
                    restart_count=0,
                    state=client.V1ContainerState(
                        waiting=client.V1ContainerStateWaiting(reason="ImagePullBackOff", message="no such tag")
                    ),
                    resources=client.V1ResourceRequirements(requests={"cpu": "100m"}, limits={"cpu": "1"}),
                )
            ],
        ),
    )


def test_a_pod_is_described_by_its_spark_container() -> None:
    pod = observe(driver())
    assert pod.image == "docker.io/apache/spark:4.0.4"
    assert pod.image_id == "docker.io/apache/spark@sha256:0"
    assert pod.mounts == {"code": "/opt/code"}
    assert pod.environment == {"A": "1"}
    assert pod.allocated == {"requests.cpu": "100m", "limits.cpu": "1"}
    assert [owner.name for owner in pod.owners] == ["spark-pi"]


def test_why_a_pod_does_not_run_is_in_its_words() -> None:
    assert str(observe(driver())) == "spark-pi-driver Pending (ImagePullBackOff: no such tag)"


def test_a_pod_that_is_being_deleted_is_not_live() -> None:
    assert observe(driver()).is_live
    assert not observe(driver(deletion_timestamp=datetime.now(UTC))).is_live


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
