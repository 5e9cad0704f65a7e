# SPDX-License-Identifier: Apache-2.0
"""An operator whose pods the API server does not create: why it is not ready, and whose fault that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from advice_samples import CATALOGUE
from fake_api_server import api_server

from harness.errors import HarnessError, HostError, ReleaseError
from harness.releases import rollout
from harness.waiting import Deadline

DEPLOYMENT: dict[str, Any] = {
    "metadata": {"name": "controller", "uid": "d", "generation": 1},
    "spec": {"replicas": 1, "template": {"spec": {"containers": [{"name": "main", "image": "it"}]}}},
    "status": {},
}
SET: dict[str, Any] = {
    "metadata": {
        "name": "controller-6f7",
        "uid": "s",
        "ownerReferences": [{"kind": "Deployment", "name": "controller", "uid": "d"}],
        "annotations": {"deployment.kubernetes.io/revision": "1"},
    },
    "spec": {"replicas": 1},
}
FORBIDDEN = 'Error creating: pods "controller-6f7-" is forbidden: '


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ('violates PodSecurity "restricted:latest": runAsNonRoot != true', ReleaseError),
        ("unable to validate against any security context constraint", ReleaseError),
        ("exceeded quota: small, requested: limits.cpu=1, used: limits.cpu=4, limited: limits.cpu=4", HostError),
    ],
)
def test_the_api_servers_words_are_told(tmp_path: Path, said: str, error: type[HarnessError]) -> None:
    event = {
        "metadata": {"name": "e", "namespace": "it", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "reason": "FailedCreate",
        "type": "Warning",
        "message": f"{FORBIDDEN}{said}",
        "involvedObject": {"kind": "ReplicaSet", "name": "controller-6f7"},
    }
    objects = {"deployments": [DEPLOYMENT], "replicasets": [SET], "events": [event], "pods": []}
    with api_server(tmp_path, objects) as cluster, cluster.api_client() as api, pytest.raises(error, match=said[:20]):
        rollout.await_rollout(api, CATALOGUE.release("2.5.2"), "it", "it", frozenset(), Deadline(seconds=0.05))


@pytest.mark.parametrize(
    ("reason", "said", "error"),
    [
        ("FailedMount", 'MountVolume.SetUp failed for volume "ca" : secret "corp-ca" not found', ReleaseError),
        (
            "FailedCreatePodSandBox",
            'Failed to create pod sandbox: failed to setup network for sandbox "1": plugin type="ptp" failed',
            HostError,
        ),
    ],
)
def test_why_a_late_pod_has_no_container_is_told(
    tmp_path: Path, reason: str, said: str, error: type[HarnessError]
) -> None:
    waits = {"name": "main", "image": "it", "state": {"waiting": {"reason": "ContainerCreating"}}}
    made: dict[str, Any] = {
        "metadata": {
            "name": "controller-6f7-1",
            "uid": "p",
            "labels": {"app.kubernetes.io/instance": "it"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "controller-6f7", "uid": "s", "controller": True}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "it"}]},
        "status": {"phase": "Pending", "containerStatuses": [waits]},
    }
    event = {
        "metadata": {"name": "e", "namespace": "it", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "reason": reason,
        "type": "Warning",
        "message": said,
        "involvedObject": {"kind": "Pod", "name": "controller-6f7-1"},
    }
    objects = {"deployments": [DEPLOYMENT], "replicasets": [SET], "events": [event], "pods": [made]}
    with api_server(tmp_path, objects) as cluster, cluster.api_client() as api, pytest.raises(error) as told:
        rollout.await_rollout(api, CATALOGUE.release("2.5.2"), "it", "it", frozenset(), Deadline(seconds=0.05))
    assert f"pod controller-6f7-1 cannot be set up: {said} (waited " in str(told.value)


def test_a_lease_lost_to_a_slow_api_server_is_the_hosts_fault(tmp_path: Path) -> None:
    crashed = {"name": "spark-operator-controller", "image": "it", "restartCount": 3}
    crashed |= {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 1}}}
    pod = {
        "metadata": {"name": "controller-6f7-1", "uid": "p", "labels": {"app.kubernetes.io/instance": "it"}},
        "spec": {"containers": [{"name": "spark-operator-controller", "image": "it"}]},
        "status": {"phase": "Running", "containerStatuses": [crashed]},
    }
    log = (
        'error retrieving resource lock it/controller-lock: Get "https://10.96.0.1:443/apis/coordination.k8s.io/v1/'
        'namespaces/it/leases/controller-lock?timeout=5s": context deadline exceeded\n'
        "failed to renew lease it/controller-lock: timed out waiting for the condition\nleader election lost\n"
    )
    objects = {"deployments": [DEPLOYMENT], "replicasets": [SET], "events": [], "pods": [pod]}
    for text, error in ((log, HostError), ("leader election lost\n", ReleaseError)):
        with (
            api_server(tmp_path, objects, {"log": (200, text)}) as cluster,
            cluster.api_client() as api,
            pytest.raises(error, match="crashes: 3 restarts"),
        ):
            rollout.await_rollout(api, CATALOGUE.release("2.5.2"), "it", "it", frozenset(), Deadline(seconds=5))
