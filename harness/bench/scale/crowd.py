# SPDX-License-Identifier: Apache-2.0
"""Many applications in a cluster, stored as where an operator has worked for long, and a node for their drivers.

Their states are written while no controller runs. Nine of ten have COMPLETED; the others are RUNNING, each with a
driver on a node that kwok plays: it says that pods run, and nothing does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from harness import process
from harness.bench.site import Site
from harness.errors import ApiError
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.kube.api import listed, raw
from harness.late import client
from harness.releases.home import OPERATOR_NAMESPACE
from harness.settings import PROJECT_ROOT
from harness.waiting import retry, until

GROUP, VERSION = "sparkoperator.k8s.io", "v1beta2"
SCHEDULES = 100
"""How many schedules there are beside the applications; they are due once a year."""

_NODE = "played-by-kwok"
_MARK = "harness.invalid/played"
_IMAGE = "harness.invalid/nothing:1"
_RUNNING = 10
"""Every so manieth application runs."""

_STAGES = PROJECT_ROOT / "clusters" / "kwok.yaml"
"""What kwok does with nodes and pods: without stages it does nothing."""

_LEASE_SECONDS = 40
_THREADS = 4
_SECONDS = 120.0
_ATTEMPTS, _FIRST_PAUSE = 8, 0.5
"""With pauses of half a second, a second and so on, about a minute."""


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What was made: applications by name → whether they run, and the UIDs of drivers by name of their pod."""

    namespace: str
    applications: Mapping[str, bool]
    drivers: Mapping[str, str]


@contextmanager
def crowd(on: Site, count: int, say: Callable[[str], None]) -> Iterator[Crowd]:
    """So many applications on a site, while the block runs. Raises HarnessError."""
    program = gobuild.build(Store.of(on.request.settings), "kwok").folder / "bin" / "kwok"
    log_file = on.resources.scratch(on.prepared.cluster.name) / "kwok.log"
    argv = [
        str(program),
        f"--kubeconfig={on.prepared.cluster.kubeconfig}",
        f"--config={_STAGES}",
        f"--manage-nodes-with-annotation-selector={_MARK}=yes",
        "--manage-single-node=",
        "--server-address=",
        f"--node-lease-duration-seconds={_LEASE_SECONDS}",
    ]
    with process.background(argv, log_file=log_file):
        say(f"stores {count} applications and {SCHEDULES} schedules")
        yield _made(on, count)


def _made(on: Site, count: int) -> Crowd:
    namespace = on.prepared.job_namespaces[0]
    names = [f"stored-{number:05}" for number in range(count)]
    running = {name: number % _RUNNING == 0 for number, name in enumerate(names)}
    _scale(on, 0)
    with on.api() as api:
        raw(client.CoreV1Api(api).create_node, _node())
    _each(on, names, lambda api, name: _application(api, namespace, name, runs=running[name]))
    _each(on, [f"yearly-{number:03}" for number in range(SCHEDULES)], lambda api, it: _schedule(api, namespace, it))
    drivers = [_driver(name) for name, runs in running.items() if runs]

    def uids() -> dict[str, str]:
        with on.api() as api:
            pods = listed(client.CoreV1Api(api).list_namespaced_pod, namespace, label_selector="spark-role=driver")
        return {it["metadata"]["name"]: it["metadata"]["uid"] for it in pods if it["status"].get("phase") == "Running"}

    until(lambda: len(uids()) == len(drivers), what="kwok to play all drivers", timeout=_SECONDS, ignore=(ApiError,))
    made = Crowd(namespace=namespace, applications=running, drivers=uids())
    _scale(on, 1)
    on.settle()
    return made


def _scale(on: Site, replicas: int) -> None:
    name = f"{on.installed.name}-controller"
    with on.api() as api:
        raw(
            client.AppsV1Api(api).patch_namespaced_deployment,
            name,
            OPERATOR_NAMESPACE,
            {"spec": {"replicas": replicas}},
        )
    if not replicas:
        until(lambda: not [it for it in on.pods() if it.name.startswith(name)], what="no controller", timeout=_SECONDS)


def _each(on: Site, names: Sequence[str], make: Callable[[client.ApiClient, str], None]) -> None:
    """Call `make` for each name, in a few threads with a client each."""

    def some(part: Sequence[str]) -> None:
        with on.api() as api:
            for name in part:
                make(api, name)

    with ThreadPoolExecutor(_THREADS, "crowd") as pool:
        for done in [pool.submit(some, names[start::_THREADS]) for start in range(_THREADS)]:
            done.result()


def _application(api: client.ApiClient, namespace: str, name: str, *, runs: bool) -> None:
    """One with its state, and its driver where it runs."""
    custom = client.CustomObjectsApi(api)
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SparkApplication",
        "metadata": {"name": name, "namespace": namespace},
        "spec": _spec(),
    }
    raw(custom.create_namespaced_custom_object, GROUP, VERSION, namespace, "sparkapplications", body)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    status: dict[str, Any] = {
        "applicationState": {"state": "RUNNING" if runs else "COMPLETED"},
        "driverInfo": {"podName": _driver(name)},
        "executionAttempts": 1,
        "submissionAttempts": 1,
        "submissionID": name,
        "sparkApplicationId": f"spark-{name}",
        "lastSubmissionAttemptTime": now,
        "terminationTime": None if runs else now,
    }
    patch = custom.patch_namespaced_custom_object_status
    raw(patch, GROUP, VERSION, namespace, "sparkapplications", name, {"status": status})
    if runs:
        make = partial(raw, client.CoreV1Api(api).create_namespaced_pod, namespace, _pod(name))
        retry(make, on=(ApiError,), attempts=_ATTEMPTS, first_pause=_FIRST_PAUSE, when=_is_behind)


def _is_behind(refused: BaseException) -> bool:
    """Whether the webhook, which looks up the application of each driver, had not heard of it yet: it reads a cache."""
    return isinstance(refused, ApiError) and refused.status == 403 and "not found" in refused.said


def _schedule(api: client.ApiClient, namespace: str, name: str) -> None:
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ScheduledSparkApplication",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"schedule": "0 0 1 1 *", "concurrencyPolicy": "Forbid", "template": _spec()},
    }
    custom = client.CustomObjectsApi(api)
    raw(custom.create_namespaced_custom_object, GROUP, VERSION, namespace, "scheduledsparkapplications", body)


def _spec() -> dict[str, Any]:
    return {
        "type": "Scala",
        "mode": "cluster",
        "image": _IMAGE,
        "sparkVersion": "4.0.4",
        "mainClass": "org.example.Nothing",
        "mainApplicationFile": "local:///nothing.jar",
        "restartPolicy": {"type": "Never"},
        "driver": {"cores": 1, "memory": "512m"},
        "executor": {"cores": 1, "instances": 1, "memory": "512m"},
    }


def _driver(name: str) -> str:
    return f"{name}-driver"


def _pod(name: str) -> dict[str, Any]:
    """A driver as the operator would find it. It is put on its node by name, so that no scheduler is asked."""
    labels = {
        "spark-role": "driver",
        "spark-app-name": name,
        f"{GROUP}/app-name": name,
        f"{GROUP}/launched-by-spark-operator": "true",
        f"{GROUP}/submission-id": name,
    }
    containers = [{"name": "spark-kubernetes-driver", "image": _IMAGE}]
    return {
        "metadata": {"name": _driver(name), "labels": labels},
        "spec": {"nodeName": _NODE, "containers": containers, "tolerations": [{"operator": "Exists"}]},
    }


def _node() -> dict[str, Any]:
    room = {"cpu": "1000", "memory": "1000Gi", "pods": "5000"}
    return {
        "metadata": {"name": _NODE, "annotations": {_MARK: "yes"}, "labels": {"type": "kwok"}},
        "spec": {"taints": [{"key": _MARK, "value": "yes", "effect": "NoSchedule"}]},
        "status": {"allocatable": room, "capacity": room},
    }
