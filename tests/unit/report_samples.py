# SPDX-License-Identifier: Apache-2.0
"""Results for the tests of the report: one cell of each verdict, made by the functions that real runs use."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from harness.matrix.model import Cell, Environment, Path, Scenario
from harness.report.model import CellResult, HostResult, RunResult, SourceResult, cell_result
from harness.report.repro import repro
from harness.verdicts import Finding, Verdict, errored, failed, passed, unavailable

IMAGE = SimpleNamespace(
    reference="ghcr.io/kubeflow/spark-operator/controller:2.5.2",
    digest="sha256:" + "ab" * 32,
    registry="ghcr.io",
    obtained="foundry",
)

LOCK = "sha256:" + "cd" * 32

CELL = Cell(
    environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
    path=Path(name="install-2.5.2", releases=("2.5.2",)),
    scenario=Scenario(name="spark-pi", summary="the number is near π"),
)

FINDINGS = {
    "spark-pi": [passed("application-completed", "COMPLETED after 18 s", seconds=18)],
    "scheduled": [
        passed("fired-twice", "2 runs", runs=["a", "b"]),
        Finding(check="history", verdict=Verdict.BROKEN_AS_KNOWN, message="3 kept, limit 2, as known upstream"),
    ],
    "ttl": [unavailable("image-available", "docker.io/apache/spark:4.0.4: the source has no such image")],
    "retry": [
        passed("submitted", "submitted"),
        failed(
            "state", "state is <COMPLETED> | not FAILED\nlast seen 10:00", want="FAILED", seen=["RUNNING", "COMPLETED"]
        ),
        failed("attempts", "1 attempt instead of 3"),
    ],
    "config-map": [failed("mounted", "no"), errored("api-server", "the API server\x00 went \x1b[31maway\x1b[0m")],
}


def result(scenario: str, **changes: Any) -> CellResult:
    """The result of one cell of `kind-1.34/install-2.5.2`."""
    cell = CELL.model_copy(update={"scenario": Scenario(name=scenario, summary=scenario)})
    options: dict[str, Any] = {
        "repro": repro(cell.id, lock=LOCK),
        "phases": {"cluster": 10.0, "install": 5.5, "scenario": 18.25},
        "images": [IMAGE],
        "lock": LOCK,
    }
    findings = FINDINGS[scenario]
    if findings[-1].verdict not in (Verdict.PASSED, Verdict.BROKEN_AS_KNOWN):
        options["evidence"] = cell.id
    return cell_result(cell, findings, **{**options, **changes})


def run(*scenarios: str, **changes: Any) -> RunResult:
    """A run with these cells."""
    cells = tuple(map(result, scenarios))
    values: dict[str, Any] = {
        "run_id": "20260801-101500-ab12",
        "started": datetime(2026, 8, 1, 10, 15, tzinfo=UTC),
        "ended": datetime(2026, 8, 1, 10, 16, 30, tzinfo=UTC),
        "harness_version": "0.1.0",
        "source": SourceResult(kind="foundry", why="no public registry answered"),
        "host": HostResult(os="Debian 12", kernel="6.18", cpus=2, memory_mib=24000, engine="docker 20.10", cgroup="v1"),
        "tools": {"kind": "0.33.0"},
        "planned": tuple(cell.id for cell in cells),
        "cells": cells,
    }
    return RunResult(**{**values, **changes})
