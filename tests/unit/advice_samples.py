# SPDX-License-Identifier: Apache-2.0
"""Results of upgrades for the tests of the advice, made by the functions that real runs use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from report_samples import run as any_run

from harness.audit.homes import Homes
from harness.checks import expectation
from harness.matrix import catalogue, expand
from harness.matrix.model import ClusterNeeds, Scenario
from harness.report.model import CellResult, RunResult, cell_result
from harness.report.path_results import WATCHED, Report
from harness.verdicts import Finding, failed, passed

CATALOGUE = catalogue.load()
HOMES = Homes(CATALOGUE.releases)
COMMANDS = ["helm show crds spark-operator-2.5.2.tgz | kubectl apply --server-side -f -", "helm upgrade spark-operator"]

GOOD: Mapping[str, list[Finding]] = {
    "admission": [passed("outage", "350 ms", outage_ms=350, longest_ms=250, refused=2)],
    "operator-health": [
        passed("steps", "done", commands=COMMANDS, lead_gap_s=21.4),
        passed("no-restarts", "none"),
        passed("crds-equal-chart", "same"),
    ],
    "running-apps": [passed("long-keeps-driver", "kept")],
    "schedules": [passed("slots-kept", "kept")],
    "submissions": [passed("exactly-once", "30", total=30, failed=0, windows={})],
}
CRASHED = [
    passed("steps", "done", commands=COMMANDS[1:], lead_gap_s=None),
    failed("no-restarts", "within 90 s: controller restarted 4 times"),
    failed("crds-equal-chart", "spec.suspend: missing in the cluster"),
]
STRUCK = [
    failed(
        "exactly-once",
        "2 of 30 applications ended FAILED with 'driver pod already exist'",
        total=30,
        failed=2,
        windows={"while there was no leader": 2},
    )
]


def cells(
    path: str, changed: Mapping[str, list[Finding]] | None = None, *, environment: str = "kind-1.34"
) -> list[CellResult]:
    """A cell for each scenario of a path that must have looked, judged as a run judges them.

    `changed` has what is not good, also of other scenarios.
    """
    found = expand.find_path(CATALOGUE, path)
    results = []
    for name in dict.fromkeys((*WATCHED, *(changed or {}))):
        scenario = Scenario(name=name, summary=name, needs=ClusterNeeds(paths=("upgrade", "rollback")))
        cell = expand.cell(CATALOGUE.environment(environment), found, scenario)
        # Without values none of those is in force that strike with some.
        known = [it for it in cell.path.known if not it.when]
        findings = expectation.judge({**GOOD, **(changed or {})}[name], known, name)
        results.append(cell_result(cell, findings, repro="nox -s e2e"))
    return results


def run(*results: Sequence[CellResult], run_id: str = "20260801-100000-aaaa", day: int = 1) -> RunResult:
    """A run with these cells."""
    every = tuple(cell for some in results for cell in some)
    return any_run("spark-pi").model_copy(
        update={"run_id": run_id, "started": datetime(2026, 8, day, 10, tzinfo=UTC), "cells": every, "planned": ()}
    )


def report(*results: Sequence[CellResult], run_id: str = "20260801-100000-aaaa", day: int = 1) -> Report:
    """A report of such a run."""
    made = run(*results, run_id=run_id, day=day)
    return Report(folder=f"reports/{run_id}", run=made)
