# SPDX-License-Identifier: Apache-2.0
"""Objects as an API server sends them, and what is read from them. The JSON is cut from a kind cluster's answers."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest

from harness.kube import reading
from harness.kube.models import Deployment

_POD: dict[str, Any] = {
    "metadata": {
        "name": "spark-operator-controller-7d-x",
        "uid": "u1",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "spark-operator-controller-7d", "controller": True}],
    },
    "spec": {"containers": [{"name": "spark-operator-controller", "image": "ghcr.io/a/b:1"}]},
    "status": {
        "phase": "Running",
        "conditions": [{"type": "PodScheduled", "status": "True"}],
        "containerStatuses": [
            {
                "name": "spark-operator-controller",
                "image": "ghcr.io/a/b:1",
                "imageID": "ghcr.io/a/b@sha256:1",
                "containerID": "containerd://abc",
                "ready": True,
                "restartCount": 1,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }
        ],
    },
}


def test_a_running_pod() -> None:
    pod = reading.pod(_POD)
    assert (pod.owner, pod.phase, pod.restarts) == ("ReplicaSet/spark-operator-controller-7d", "Running", 1)
    (container,) = pod.containers
    assert (container.state, container.ready, container.last_exit) == ("running", True, "exit 137 (OOMKilled)")
    assert (container.image_id, container.runtime_id) == ("ghcr.io/a/b@sha256:1", "abc")


@pytest.mark.parametrize(("reason", "restarts"), [("StartError", 0), ("Error", 1), ("OOMKilled", 1)])
def test_a_container_that_the_runtime_could_not_make_at_first_has_not_restarted(reason: str, restarts: int) -> None:
    status = _POD["status"]["containerStatuses"][0]
    status = {**status, "lastState": {"terminated": {"exitCode": 128, "reason": reason}}}
    pod = reading.pod({**_POD, "status": {**_POD["status"], "containerStatuses": [status]}})
    assert pod.restarts == restarts
    assert pod.containers[0].last_exit == f"exit 128 ({reason})"


def test_a_pod_that_nothing_is_known_of_yet() -> None:
    pod = reading.pod({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    assert (pod.owner, pod.phase, pod.containers[0].state, pod.containers[0].image_id) == ("", "", "", "")


def test_a_pod_that_does_not_fit() -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no memory"}
    pod = reading.pod({**_POD, "status": {"phase": "Pending", "conditions": [condition]}})
    assert pod.unschedulable == "no memory"


def _replica_set(name: str, revision: int) -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"uid": "d1"}],
        }
    }


def _deployment(**status: int) -> Deployment:
    whole = {"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1, **status}
    item = {
        "metadata": {"name": "c", "uid": "d1", "generation": 2},
        "spec": {
            "replicas": 1,
            "template": {"spec": {"containers": [{"args": ["controller", "start", "--leader-election-lock-name=l"]}]}},
        },
        "status": whole,
    }
    return reading.deployment(item, [_replica_set("old", 9), _replica_set("new", 10)])


def test_a_deployment_and_its_newest_replica_set() -> None:
    deployment = _deployment()
    assert deployment.rolled_out
    assert deployment.newest_replica_set == "new"
    assert deployment.flag("leader-election-lock-name") == "l"
    assert deployment.flag("leader-election") == ""


@pytest.mark.parametrize(
    "status", [{"observedGeneration": 1}, {"updatedReplicas": 0}, {"availableReplicas": 0}, {"replicas": 2}]
)
def test_a_deployment_that_is_available_may_still_not_be_rolled_out(status: dict[str, int]) -> None:
    assert not _deployment(**status).rolled_out


def test_a_deployment_scaled_to_nothing_is_not_rolled_out() -> None:
    assert not dataclasses.replace(_deployment(), replicas=0, updated=0, available=0, total=0).rolled_out


def test_a_lease_names_its_pod_and_its_age() -> None:
    now = datetime(2026, 1, 1, 0, 0, 10, tzinfo=UTC)
    spec = {"holderIdentity": "pod-1_6a-7b", "renewTime": "2026-01-01T00:00:07.500000Z", "leaseDurationSeconds": 15}
    lease = reading.lease({"metadata": {"name": "l"}, "spec": spec}, "d", now)
    assert (lease.holder, lease.age, lease.duration) == ("pod-1", 2.5, 15)
    empty = reading.lease({"metadata": {"name": "l"}}, "d", now)
    assert (empty.holder, empty.age) == ("", float("inf"))


def test_the_arguments_are_those_of_the_container_that_the_deployment_is_about() -> None:
    proxy = {"name": "linkerd-proxy", "args": ["run"]}
    own = {"name": "spark-operator-webhook", "args": ["webhook", "start", "--webhook-port=9443"]}
    metadata = {"name": "spark-operator-webhook", "uid": "d"}

    def read(*containers: dict[str, Any]) -> Deployment:
        return reading.deployment({"metadata": metadata, "spec": {"template": {"spec": {"containers": containers}}}})

    assert read(proxy, own).flag("webhook-port") == "9443"
    assert read({**own, "name": "other"}, proxy).flag("webhook-port") == "9443"
