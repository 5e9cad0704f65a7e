# SPDX-License-Identifier: Apache-2.0
"""Driver and executor pods as they would be observed, for tests to spoil."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime
from typing import Any

from harness.apps.pods import LABEL_APPLICATION, LABEL_ROLE, LABEL_SUBMISSION, SparkPod
from harness.kube.models import Container, Ended

IMAGE = "docker.io/apache/spark:4.0.4"


_SHARED = {"name", "reason", "message", "ready", "security"}
_OF_CONTAINER = {it.name for it in fields(Container)} - _SHARED


def spark_pod(role: str = "driver", *, application: str = "", submission: str = "", **changes: Any) -> SparkPod:
    """A pod that runs; changes of its Spark container are named as the fields of `Container`."""
    container = Container(name=f"spark-kubernetes-{role}", image=IMAGE, ready=True, state="running")
    # What a pod has as well is its own, except with this prefix.
    of_container = {name: changes.pop(name) for name in list(changes) if name in _OF_CONTAINER}
    of_container |= {name: changes.pop(f"container_{name}") for name in _SHARED if f"container_{name}" in changes}
    labels = {LABEL_ROLE: role, LABEL_APPLICATION: application, LABEL_SUBMISSION: submission}
    found = SparkPod(
        name=f"spark-pi-{role}",
        uid="p-1",
        phase="Running",
        node="node-1",
        service_account="spark-operator-spark",
        labels=labels,
        containers=(replace(container, **of_container),),
    )
    return replace(found, **changes)


def ended_pod(exit_status: int | None, *, started: datetime | None = None, **changes: Any) -> SparkPod:
    """A driver whose Spark container ended so; with None, one that runs."""
    phase = {None: "Running", 0: "Succeeded"}.get(exit_status, "Failed")
    ended = None if exit_status is None else Ended(exit_code=exit_status)
    return spark_pod(
        **{
            "phase": phase,
            "ended": ended,
            "started_at": started,
            "state": "running" if ended is None else "terminated",
            **changes,
        }
    )
