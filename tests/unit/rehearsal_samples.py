# SPDX-License-Identifier: Apache-2.0
"""Snapshots to rehearse, taken from the served cluster of site_samples by the real command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from site_samples import application, crd, objects, production

from harness import cli

STATES = ("COMPLETED", "COMPLETED", "COMPLETED", "RUNNING", "FAILED")
SPEC = {
    "type": "object",
    "properties": {
        "driver": {"type": "object", "properties": {"cores": {"type": "integer"}}},
        "mode": {"type": "string"},
    },
    "x-kubernetes-preserve-unknown-fields": True,
}


def app(name: str, state: str = "COMPLETED", namespace: str = "etl", **spec: Any) -> dict[str, Any]:
    """A SparkApplication in a state; a None takes a field out."""
    made = application(name, **spec)
    made["spec"] = {key: it for key, it in made["spec"].items() if it is not None}
    made["metadata"]["namespace"] = namespace
    made["status"] = {"applicationState": {"state": state}}
    return made


def schedule(name: str, cron: str = "0 3 * * *") -> dict[str, Any]:
    """A ScheduledSparkApplication."""
    made = app(name)
    made["spec"] = {"schedule": cron, "concurrencyPolicy": "Forbid", "template": made["spec"]}
    return {**made, "kind": "ScheduledSparkApplication", "status": {"scheduleState": "Scheduled"}}


def crds() -> list[dict[str, Any]]:
    """The operator's CRDs, with a schema that has something to say."""
    made = [crd("SparkApplication"), crd("ScheduledSparkApplication")]
    made[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"] = SPEC
    return made


def snapshot(folder: Path, apps: Sequence[dict[str, Any]], *schedules: dict[str, Any], **served: Any) -> Path:
    """The folder of a snapshot of a cluster with these applications."""
    listed = objects(
        sparkapplications=list(apps),
        scheduledsparkapplications=list(schedules),
        customresourcedefinitions=crds(),
    )
    target = folder / "site"
    with production(folder, listed, **served) as cluster:
        assert cli.main(["snapshot", "--kubeconfig", str(cluster.kubeconfig), "-o", str(target)]) == 0
    return target


def two_hundred() -> list[dict[str, Any]]:
    """Two hundred applications in five namespaces: 120 COMPLETED, 40 RUNNING, 40 FAILED."""
    return [app(f"app-{n:03}", STATES[n % 5], f"team-{n % 7 % 5}") for n in range(200)]


def written(folder: Path) -> list[dict[str, Any]]:
    """All objects below a folder."""
    return [it for file in sorted(folder.rglob("*.yaml")) for it in yaml.safe_load_all(file.read_text())]
