# SPDX-License-Identifier: Apache-2.0
"""Runs cells beside each other on one installed release, which is checked meanwhile, and which they leave clean."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness import install_checks
from harness.apps import samples
from harness.apps.context import ScenarioContext
from harness.apps.objects import GROUP
from harness.checks import cleanliness
from harness.foundry import connect_clients
from harness.kube.cluster import Cluster
from harness.kube.interruptions import findings_of
from harness.matrix.model import Cell, Scenario
from harness.releases import asked, shared
from harness.releases.ways.protocol import InstalledRelease
from harness.stories.cluster import PreparedCluster
from harness.stories.foreseen import judged
from harness.stories.protocol import CellRun, RunContext
from harness.verdicts import Finding, Verdict
from harness.waiting import Deadline

Act = Callable[[ScenarioContext], Sequence[Finding]]


class SharedRelease:
    """The release that all cells on a cluster use: the findings about it, and whether they have left it clean.

    It is checked from when the first cell begins: metrics count applications, and some releases cannot have one that
    only waits.
    """

    def __init__(self, run: RunContext, on: PreparedCluster, *, seed: int) -> None:
        self._on = on
        self._running: set[str] = set()
        self._lock = threading.Lock()
        self._check = partial(
            install_checks.run,
            on.cluster,
            on.installed,
            resolve=run.resources.source.digests,
            provider=on.provider,
            seed=seed,
        )
        self._checks: Future[list[Finding]] | None = None
        self.clean = True

    @property
    def checks(self) -> Future[list[Finding]]:
        """The findings about the release, which is looked at from now on, if it was not yet."""
        with self._lock:
            if self._checks is None:
                pool = ThreadPoolExecutor(1, "install-checks")
                self._checks = pool.submit(self._check)
                pool.shutdown(wait=False)
            return self._checks

    def end(self) -> None:
        """Wait for the checks, if they have begun. Their errors are told by the cells."""
        with self._lock:
            begun = self._checks
        if begun is not None:
            begun.exception()

    def used(self, namespace: str, act: Callable[[], list[Finding]]) -> list[Finding]:
        """The findings of a cell that runs in this namespace, and that it leaves the cluster as it found it."""
        self._running.add(namespace)
        try:
            return [*act(), *findings_of(cleanliness.CHECK, lambda: [self._left_clean(namespace)])]
        finally:
            self._running.discard(namespace)

    def _left_clean(self, namespace: str) -> Finding:
        others = set(self._running) - {namespace}
        now = shared.look(self._on.cluster, self._on.installed.namespace, also=self._on.before.also)
        finding = cleanliness.left_clean(self._on.before, now, others=others, mine=partial(self._is_own, namespace))
        if finding.verdict is not Verdict.PASSED:
            self.clean = False
        return finding

    def _is_own(self, namespace: str, thing: str) -> bool:
        """Whether an object can be a cell's doing: in a cluster of a user's, what is named after the run's own is."""
        kind, _, name = thing.partition("/")
        own = (self._on.installed.name, namespace)
        return not self._on.cluster.marks or GROUP in name or cleanliness.belongs(f"{kind}/{name}", own)


def run_beside(run: RunContext, on: PreparedCluster, cells: Sequence[CellRun], act_of: Callable[[Cell], Act]) -> None:
    """Run each cell by what `act_of` has for it, as many at a time as there are slots, and report it.

    A cell that comes after one which left traces is handed back. Raises Cancelled.
    """
    release = on.once.get(SharedRelease, lambda: SharedRelease(run, on, seed=cells[0].seed))
    # The longest first, so that the last one does not run alone for long.
    order = sorted(cells, key=lambda it: -it.cell.scenario.timeout)
    try:
        with ThreadPoolExecutor(run.app_slots, "cells") as pool:
            for future in [pool.submit(_run_cell, run, on, release, it, act_of) for it in order]:
                future.result()
    finally:
        release.end()


def _run_cell(
    run: RunContext, on: PreparedCluster, release: SharedRelease, it: CellRun, act_of: Callable[[Cell], Act]
) -> None:
    name = it.cell.scenario.name
    with run.place() as waited:
        if not release.clean:
            it.hand_back("needs a cluster that the cells before it left clean")
            return
        started = time.monotonic()
        checks = release.checks
        context = _context(run, on, it)
        findings = release.used(it.cell.scenario.namespace, lambda: findings_of(name, lambda: act_of(it.cell)(context)))
        phases = {"scenario": time.monotonic() - started}
    ended = time.monotonic()
    findings += findings_of("install-checks", checks.result)
    phases["checks-after-scenario"] = time.monotonic() - ended
    it.report(judged(run, on, it.cell, findings), phases, waited=waited)


def _context(run: RunContext, on: PreparedCluster, it: CellRun) -> ScenarioContext:
    scenario = it.cell.scenario
    context = context_on(
        on.cluster,
        on.installed,
        scenario,
        helm=run.helm,
        folder=run.resources.scratch(f"{on.cluster.name}/{scenario.name}"),
        seed=it.seed,
    )
    return replace(context, before_deletion=it.before_deletion, python_client=partial(connect_clients.ready, run.store))


def context_on(
    cluster: Cluster, installed: InstalledRelease, scenario: Scenario, *, helm: Path, folder: Path, seed: int
) -> ScenarioContext:
    """What a scenario is handed that runs on an installed release; its deadline begins now."""
    return ScenarioContext(
        cluster=cluster,
        release=installed.release,
        chart=installed.chart,
        namespace=scenario.namespace,
        operator_namespace=installed.namespace,
        helm=helm,
        folder=folder,
        spark_images=samples.chart_values().spark.images,
        deadline=Deadline(seconds=scenario.timeout),
        seed=seed,
        service_account=installed.account,
        webhook=not asked.webhook_off(installed.values),
        spark_version=scenario.spark,
    )
