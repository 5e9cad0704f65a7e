# SPDX-License-Identifier: Apache-2.0
"""Faults that happen to running applications: their drivers, executors, status, schedules and ConfigMaps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from harness.apps.objects import APPLICATION, GROUP, SCHEDULED, Objects
from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.bench.site import Site
from harness.bench.verdicts.beside import Beside
from harness.bench.verdicts.planting import Undo, delete, remade
from harness.errors import ApiError, WaitTimeout
from harness.kube.api import get, send
from harness.waiting import until

_SECONDS = 180.0
_MERGE = "application/merge-patch+json"

_SCHEDULED = "scheduled"
"""The namespace of schedules."""

_SLOTS_SECONDS = 75.0
"""So long a schedule is suspended: its runs take half of that at most."""


def remake_driver(on: Site) -> Undo:
    """The driver is deleted while it runs, and made again by somebody else."""

    def act(objects: Objects, driver: SparkPod) -> None:
        raw = _raw(objects, driver.name)
        objects.core.delete_namespaced_pod(driver.name, objects.namespace, grace_period_seconds=0)
        until(lambda: _made(objects, raw), what="the driver to be made again", timeout=_SECONDS)

    return _with_driver(on, act)


def second_driver(on: Site) -> Undo:
    """The application runs a second time, beside the first."""

    def act(objects: Objects, driver: SparkPod) -> None:
        raw = _raw(objects, driver.name)
        raw["metadata"]["name"] = f"{driver.name}-twice"
        objects.core.create_namespaced_pod(objects.namespace, raw)

    return _with_driver(on, act)


def orphan_executor(on: Site) -> Undo:
    """An executor of the application runs that nobody owns; Spark's driver takes it away at its own end."""

    def act(objects: Objects, driver: SparkPod) -> None:
        raw = _raw(objects, driver.name)
        labels = {**raw["metadata"]["labels"], "spark-role": "executor"}
        raw["metadata"] = {"name": "orphan", "namespace": objects.namespace, "labels": labels}
        container = raw["spec"]["containers"][0]
        container["command"], container["args"] = ["sleep"], ["600"]
        raw["spec"]["terminationGracePeriodSeconds"] = 1
        objects.core.create_namespaced_pod(objects.namespace, raw)

    return _with_driver(on, act, after=lambda: delete(on, "/api/v1/namespaces/spark-pi/pods/orphan"))


def set_status_back(on: Site) -> Undo:
    """Somebody sets the state of a running application back to the beginning."""

    def act(objects: Objects, driver: SparkPod) -> None:
        status = {"status": {"applicationState": {"state": ""}}}
        path = f"/apis/{GROUP}/v1beta2/namespaces/{objects.namespace}/{APPLICATION.plural}/{driver.application}/status"
        send(objects.core.api_client, "PATCH", path, status, content_type=_MERGE)

    return _with_driver(on, act, running=True)


def annotate_driver(on: Site) -> Undo:
    """Somebody labels and annotates a driver while it runs."""

    def act(objects: Objects, driver: SparkPod) -> None:
        change = {"metadata": {"annotations": {"example.com/seen": "yes"}, "labels": {"example.com-team": "a"}}}
        objects.core.patch_namespaced_pod(driver.name, objects.namespace, change)

    return _with_driver(on, act)


def drop_slots(on: Site) -> Undo:
    """A schedule stands still for a while, after its first run."""

    def act(over: threading.Event) -> None:
        with on.api() as api:
            objects = Objects(api, _SCHEDULED)
            until(
                lambda: over.is_set() or objects.all(APPLICATION), what="the first run of a schedule", timeout=_SECONDS
            )
            name = objects.all(SCHEDULED)[0]["metadata"]["name"]
            objects.patch(SCHEDULED, name, {"spec": {"suspend": True}})
            over.wait(_SLOTS_SECONDS)
            objects.patch(SCHEDULED, name, {"spec": {"suspend": False}})

    return Beside(act).end


def drift_config_map(on: Site) -> Undo:
    """Somebody changes an application's ConfigMap as soon as it is there."""

    def act(over: threading.Event) -> None:
        with on.api() as api:
            objects = Objects(api, "config-map")

            def settings() -> Any:
                items = objects.core.list_namespaced_config_map("config-map").items
                return next((it for it in items if "phrase" in str(it.data)), None)

            found = until(lambda: over.is_set() or settings(), what="the ConfigMap", timeout=_SECONDS, interval=0.05)
            if found is True:
                return
            drifted = {key: value.replace("phrase ", "drifted ") for key, value in found.data.items()}
            objects.core.patch_namespaced_config_map(found.metadata.name, "config-map", {"data": drifted})

    return Beside(act).end


def _with_driver(
    on: Site,
    act: Callable[[Objects, SparkPod], None],
    *,
    running: bool = False,
    after: Undo = lambda: None,
) -> Undo:
    """Do something once a driver of the namespace spark-pi runs, or its application is RUNNING."""

    def go(over: threading.Event) -> None:
        with on.api() as api:
            objects = Objects(api, "spark-pi")

            def driver() -> SparkPod | None:
                found = [it for it in objects.spark_pods() if it.role == "driver" and it.phase == "Running"]
                states = [it.get("status", {}).get("applicationState", {}) for it in objects.all(APPLICATION)]
                right = not running or any(it.get("state") == State.RUNNING for it in states)
                return found[0] if found and right else None

            def seen() -> SparkPod | bool | None:
                return over.is_set() or driver()

            found = until(seen, what="a driver that runs", timeout=_SECONDS, interval=0.05)
            if not isinstance(found, SparkPod):
                raise WaitTimeout("no driver ran")
            act(objects, found)

    beside = Beside(go)

    def undo() -> None:
        try:
            beside.end()
        finally:
            after()

    return undo


def _raw(objects: Objects, name: str) -> dict[str, Any]:
    """A pod as it can be made again, on any node and with its owners."""
    found = get(objects.core.api_client, f"/api/v1/namespaces/{objects.namespace}/pods/{name}")
    made = remade(found)
    made["metadata"]["ownerReferences"] = found["metadata"].get("ownerReferences") or []
    made["spec"].pop("nodeName", None)
    return made


def _made(objects: Objects, raw: Mapping[str, Any]) -> bool:
    try:
        objects.core.create_namespaced_pod(objects.namespace, raw)
    except ApiError as there:
        if there.status != 409:
            raise
        return False
    return True
