# SPDX-License-Identifier: Apache-2.0
"""A cluster as a site has it: two hundred applications in all states, with quotas, limits and policies around them.

The operator stands still meanwhile, so that the states are those that are written here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kubernetes import client, config

GROUP = "sparkoperator.k8s.io"
STATES = ("COMPLETED", "COMPLETED", "COMPLETED", "RUNNING", "FAILED")
NAMESPACES = ("etl", "ml", "reports")
COUNT = 200
_SCHEDULES = 8


def fill(kubeconfig: Path, home: str) -> None:
    """Make the surroundings and the applications in the cluster; `home` is the operator's namespace."""
    with config.new_client_from_config(config_file=str(kubeconfig)) as api:  # type: ignore[no-untyped-call]
        _stop(api, home)
        _surround(client.CoreV1Api(api), client.NetworkingV1Api(api))
        custom = client.CustomObjectsApi(api)
        for number in range(COUNT - _SCHEDULES):
            _application(custom, number)
        for number in range(_SCHEDULES):
            _schedule(custom, number)


def _stop(api: client.ApiClient, home: str) -> None:
    apps: Any = client.AppsV1Api(api)
    for it in apps.list_namespaced_deployment(home).items:
        if "controller" in it.metadata.name:
            apps.patch_namespaced_deployment_scale(it.metadata.name, home, {"spec": {"replicas": 0}})


def _surround(core: Any, network: Any) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"}
    core.patch_namespace("etl", {"metadata": {"labels": labels}})
    quota = {"hard": {"pods": "40", "requests.memory": "40Gi", "limits.memory": "60Gi"}}
    core.create_namespaced_resource_quota("etl", {"metadata": {"name": "etl"}, "spec": quota})
    limits = {"limits": [{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "512Mi"}}]}
    core.create_namespaced_limit_range("ml", {"metadata": {"name": "ml"}, "spec": limits})
    policy = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {}}]}]}
    network.create_namespaced_network_policy("reports", {"metadata": {"name": "own"}, "spec": policy})
    # Its value is in no snapshot.
    secret = {"metadata": {"name": "warehouse"}, "stringData": {"password": "x7Kq-9vLw2"}}
    for namespace in NAMESPACES:
        core.create_namespaced_secret(namespace, secret)


def _run(number: int) -> dict[str, Any]:
    """The spec of a run: the company's image, its main file in a bucket, a password from a Secret, a disk."""
    password = {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "warehouse", "key": "password"}}}
    return {
        "type": "Python",
        "mode": "cluster",
        "pythonVersion": "3",
        "sparkVersion": "3.5.5",
        "image": "registry.company.example/data/etl:2026.11",
        "mainApplicationFile": f"s3a://jobs/job-{number}.py",
        "arguments": ["--day", "2026-11-30"],
        "sparkConf": {"spark.eventLog.enabled": "true", "spark.eventLog.dir": "s3a://logs/", "spark.team": "data"},
        "restartPolicy": {"type": "Never"},
        "volumes": [{"name": "spill", "hostPath": {"path": "/var/spill"}}] if number % 3 == 1 else [],
        "driver": {"cores": 2, "memory": "4g", "serviceAccount": "data-jobs", "env": [password]},
        "executor": {"cores": 4, "instances": 10, "memory": "16g"},
    }


def _application(custom: Any, number: int) -> None:
    namespace = NAMESPACES[number % 3]
    name = f"job-{number:03}"
    body = {
        "apiVersion": f"{GROUP}/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": name, "labels": {"team": "data"}},
        "spec": _run(number),
    }
    custom.create_namespaced_custom_object(GROUP, "v1beta2", namespace, "sparkapplications", body)
    status = {
        "status": {
            "applicationState": {"state": STATES[number % 5]},
            "driverInfo": {},
            "lastSubmissionAttemptTime": "2026-11-30T06:00:00Z",
            "terminationTime": "2026-11-30T06:00:40Z" if STATES[number % 5] != "RUNNING" else None,
        }
    }
    custom.patch_namespaced_custom_object_status(GROUP, "v1beta2", namespace, "sparkapplications", name, status)


def _schedule(custom: Any, number: int) -> None:
    namespace = NAMESPACES[number % 3]
    body = {
        "apiVersion": f"{GROUP}/v1beta2",
        "kind": "ScheduledSparkApplication",
        "metadata": {"name": f"nightly-{number}"},
        "spec": {"schedule": f"{number} 3 * * *", "concurrencyPolicy": "Forbid", "template": _run(number)},
    }
    custom.create_namespaced_custom_object(GROUP, "v1beta2", namespace, "scheduledsparkapplications", body)
