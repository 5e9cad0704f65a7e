# SPDX-License-Identifier: Apache-2.0
"""Made-up runs for looking at the report's page: one with every verdict and every part, and one with many cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from harness.checks import expectation
from harness.matrix import catalogue, expand
from harness.matrix.model import Cell, Environment, Path, Scenario
from harness.report.attachments import Attachments
from harness.report.flakes import flakes
from harness.report.model import (
    CellResult,
    HostResult,
    PlannedCluster,
    RetryResult,
    RunResult,
    SourceResult,
    cell_result,
)
from harness.report.picture import PullRow
from harness.report.repro import repro
from harness.stories.installs.scenarios import discover
from harness.verdicts import Finding, errored, failed, passed, unavailable

CATALOGUE = catalogue.load()
LOCK = "sha256:" + "7f3a" * 16
IMAGES = [
    SimpleNamespace(reference=reference, digest="sha256:" + letter * 64, registry=host, obtained=obtained)
    for reference, letter, host, obtained in (
        ("ghcr.io/kubeflow/spark-operator/controller:2.5.2", "b", "ghcr.io", "foundry"),
        ("docker.io/apache/spark:4.0.4", "c", "docker.io", "foundry"),
    )
]
INSTALL = {"cluster-create": 14.4, "cluster-services-ready": 0.6, "install-helm": 4.6, "install-ready": 9.1}
MOVE = {**INSTALL, "path-begin": 41.2, "path-moves": 33.7, "path-settle": 90.3, "path-finish": 25.1}
STEPS = [
    "helm show crds spark-operator-2.5.2.tgz | kubectl apply --server-side --force-conflicts -f -",
    "helm upgrade spark-operator spark-operator-2.5.2.tgz --namespace spark-operator --reset-then-reuse-values --wait",
]
OPERATOR = [
    passed("deployments-stable", "2 Deployments rolled out and without restarts for 15 s", restarts=0),
    passed("images-from-registry", "3 images on ghcr.io, with the digests that it serves", digests=["sha256:b", "c"]),
    passed("crds-equal-chart", "3 CRDs are established and equal to the chart's"),
    passed("one-leader", "one leader: spark-operator-controller-6d9c"),
]
GOOD_MOVE: Mapping[str, list[Finding]] = {
    "admission": [passed("outage", "creates were refused for 350 ms", outage_ms=350, longest_ms=250, refused=2)],
    "operator-health": [
        passed("steps", " && ".join(STEPS), commands=STEPS, seconds=[1.9, 31.8], lead_gap_s=21.4),
        passed("no-restarts", "none within 90 s"),
        passed("crds-equal-chart", "same"),
    ],
    "running-apps": [passed("long-keeps-driver", "the driver of before is the driver of after")],
    "schedules": [passed("slots-kept", "12 runs were due, 12 ran")],
    "submissions": [passed("exactly-once", "30 of 30 ran once", total=30, failed=0, windows={})],
}
CRASHED = [
    passed("steps", STEPS[1], commands=STEPS[1:], seconds=[31.8], lead_gap_s=None),
    failed("no-restarts", "within 90 s: controller restarted 4 times"),
    failed("crds-equal-chart", "spec.suspend: missing in the cluster"),
]
STRUCK = [
    failed(
        "exactly-once",
        "2 of 30 applications ended FAILED with 'driver pod already exist' although their driver succeeded",
        total=30,
        failed=2,
        windows={"while there was no leader": 2},
    )
]
SCENARIOS = [*discover()]
BAD: Mapping[str, list[Finding]] = {
    "retry": [
        failed(
            "attempts",
            "the application ended FAILED after 1 attempt instead of 3\nlast seen: RUNNING → FAILING → FAILED",
            want=3,
            seen=["10:02:11Z RUNNING", "10:02:40Z FAILING", "10:02:41Z FAILED"],
        ),
        failed("failure-counted", "status.executionAttempts is 1"),
        passed("submitted", "submitted after 0.4 s"),
    ],
    "config-map": [
        errored(
            "api-server",
            "the node was lost: the API server of soh-100000-ab12-1 did not answer for 60 s",
            nodes={"soh-100000-ab12-1-control-plane": "NotReady since 10:03:12Z"},
        )
    ],
    "ttl": [unavailable("image-available", "docker.io/apache/spark:4.0.4: the mirror answered 404, nobody has it")],
    "scheduled": [
        passed("fired-twice", "2 runs in 130 s", runs=["scheduled-1", "scheduled-2"]),
        failed("history", "3 runs kept, limit 2"),
    ],
}
KNOWN = {"history": "3 runs kept, limit 2, as known: https://github.com/kubeflow/spark-operator/issues/2436"}


def cell(
    environment: str, path: str, scenario: str, findings: Sequence[Finding], phases: Mapping[str, float], **more: Any
) -> CellResult:
    """One cell, judged and reproducible as in a run."""
    made = Cell(
        environment=Environment(name=environment, provider="kind", kubernetes="1.34.4"),
        path=Path(name=path, releases=("2.5.2",)),
        scenario=Scenario(name=scenario, summary=scenario),
    )
    options: dict[str, Any] = {
        "repro": repro(made.id, lock=LOCK),
        "phases": phases,
        "images": IMAGES,
        "lock": LOCK,
        "distribution": "upstream Kubernetes in a k3s-shaped node" if environment.startswith("k3d") else "kubernetes",
    }
    return cell_result(made, findings, **{**options, **more})


def installed(environment: str, scenario: str, *, took: float = 16.9, **more: Any) -> CellResult:
    """A cell of a fresh install; the scenarios in BAD did not pass."""
    findings = [*BAD.get(scenario, [passed(scenario, f"{scenario} held after {took} s")]), *OPERATOR]
    findings = [
        Finding(check=it.check, verdict="broken-as-known", message=KNOWN[it.check], evidence=it.evidence)  # type: ignore[arg-type]
        if it.check in KNOWN
        else it
        for it in findings
    ]
    if scenario in ("retry", "config-map", "ttl"):
        more.setdefault("evidence", f"{environment}/install-2.5.2/{scenario}")
    phases = {**INSTALL, "scenario": took, "checks-after-scenario": 1.2}
    return cell(environment, "install-2.5.2", scenario, findings, phases, **more)


def moved(path: str, changed: Mapping[str, list[Finding]] | None = None, environment: str = "kind-1.34") -> list[Any]:
    """The cells of a path with a move, judged with what the catalogue predicts."""
    known = [it for it in expand.find_path(CATALOGUE, path).known if not (it.environments or it.when)]
    return [
        cell(
            environment, path, name, expectation.judge(list({**GOOD_MOVE, **(changed or {})}[name]), known, name), MOVE
        )
        for name in GOOD_MOVE
    ]


def everything() -> RunResult:
    """Every verdict, upgrades with advice, a second try, drift, repeated cells, clusters, a missing cell, a leak."""
    retry = RetryResult(
        cause="node-lost",
        message="the API server does not answer",
        cluster="soh-100000-ab12-1",
        evidence="kind-1.34/install-2.5.2/config-map.retry-1",
    )
    cells = [
        installed("kind-1.34", name, took=6.0 + 7 * number % 41, retries=[retry] if name == "config-map" else [])
        for number, name in enumerate(SCENARIOS)
    ]
    cells += [
        installed("kind-1.36", "spark-pi", drift=["the node image has digest sha256:1 here and sha256:2 in the lock"]),
        installed("k3d-1.36", "spark-pi"),
        *(installed("k3d-1.36", "spark-connect", attempt=number) for number in (1, 2, 3)),
        *moved("upgrade-2.2.1@docker.io-2.5.2+crds=none", {"operator-health": CRASHED}),
        *moved("upgrade-2.2.1@docker.io-2.5.2+crds=apply", {"submissions": STRUCK}),
        *moved("upgrade-2.4.0-2.5.2+crds=apply"),
        *moved("rollback-2.5.2-2.4.0"),
    ]
    missing = "kind-1.36/install-2.5.2/pyspark-pi"
    return _run(cells, planned=(*dict.fromkeys(it.id for it in cells), missing), leaks=("network soh-100000-ab12",))


def many() -> RunResult:
    """More than a hundred green cells, with names as long as they get."""
    names = [*(f"kind-1.{minor}" for minor in range(30, 37)), "k3d-1.36-with-a-private-registry-behind-a-proxy"]
    cells = [installed(name, it) for name in names for it in SCENARIOS if it not in BAD]
    for path in ("upgrade-2.2.1@docker.io-2.5.2+crds=apply", "upgrade-2.4.0-2.5.2+crds=hook+values=pinned-images"):
        cells += [cell("kind-1.34", path, name, GOOD_MOVE[name], MOVE) for name in GOOD_MOVE]
    long = "a-scenario-with-a-name-that-is-much-longer-than-any-other-and-does-not-end-soon"
    return _run([*cells, installed("kind-1.34", long)])


def pulls() -> Attachments:
    """The pull benchmark as it lies beside a report."""
    rows = []
    for image in ("ghcr.io/kubeflow/spark-operator/controller:2.5.2", "docker.io/apache/spark:4.0.4"):
        for state, base in (("cold", 8.0), ("warm", 0.06), ("one layer changed", 1.4)):
            for number, (registry, manner) in enumerate(
                (("ghcr.io", "direct"), ("docker.io", "direct"), ("ghcr.io", "mirrored"), ("docker.io", "cached"))
            ):
                for parallel in (1, 4):
                    median = base * (1 + 0.3 * number) * parallel**0.6
                    samples = [median * factor for factor in (0.88, 0.95, 1.0, 1.07, 1.3)]
                    row: dict[str, object] = {
                        "low": median * 0.9,
                        "high": median * 1.2,
                        "bytes": 188_000_000,
                        "requests": 12,
                    }
                    row |= {"registry": registry, "image": image, "manner": manner, "state": state}
                    rows.append(
                        PullRow.model_validate(row | {"parallel": parallel, "samples": samples, "median": median})
                    )
    notes = {"node": "kindest/node:v1.34.4", "rounds": "5", "stand-ins": "30 ms latency, 100 Mbit/s"}
    return Attachments(pulls=tuple(rows), pulls_from="bench-pull.json of 2026-08-01 09:12 UTC", pulls_notes=notes)


def _run(cells: Sequence[CellResult], **changes: Any) -> RunResult:
    started = datetime(2026, 8, 1, 10, 0, tzinfo=UTC)
    groups: dict[tuple[str, str], list[str]] = {}
    for it in cells:
        groups.setdefault((it.environment, it.path), []).append(it.id)
    plan, at = [], 0.0
    for number, ((environment, path), ids) in enumerate(groups.items(), 1):
        seconds = 60.0 + 4 * len(ids)
        plan.append(
            PlannedCluster(
                cluster=f"soh-100000-ab12-{number}",
                environment=environment,
                path=path,
                cells=tuple(dict.fromkeys(ids)),
                starts=at,
                seconds=seconds,
                started=at,
                ended=at + seconds,
                why="" if number != 2 else "the first was lost",
            )
        )
        at += seconds * 0.6
    values: dict[str, Any] = {
        "run_id": "20260801-100000-ab12",
        "started": started,
        "ended": started + timedelta(seconds=at + 120),
        "harness_version": "0.1.0",
        "source": SourceResult(kind="foundry", why="docker.io could not be reached: Name or service not known"),
        "host": HostResult(
            os="Debian GNU/Linux 12", kernel="6.18.5", cpus=2, memory_mib=24000, engine="docker 28.5", cgroup="v2"
        ),
        "tools": {"helm": "3.22.0 (foundry)", "kind": "0.33.0 (foundry)", "kubectl": "1.34.4 (foundry)"},
        "selection": ("--env", "kind-*", "--scenario", "spark-*"),
        "planned": tuple(dict.fromkeys(it.id for it in cells)),
        "cells": tuple(cells),
        "peak_memory_mib": 81.3,
        "seed": 4711,
        "flakes": flakes(cells),
        "plan": tuple(plan),
    }
    return RunResult(**{**values, **changes})
