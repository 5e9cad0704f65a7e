# SPDX-License-Identifier: Apache-2.0
"""The life of one cluster: made, given a release, used by its cells side by side, looked at, removed."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from kubernetes import client
from urllib3.exceptions import HTTPError

from harness import install_checks, process, seeds
from harness.apps import samples, scenarios, user_trial, users
from harness.apps.context import ScenarioContext
from harness.checks import cleanliness, infrastructure
from harness.checks.infrastructure import Diagnosis
from harness.cluster import Cluster
from harness.errors import HarnessError, UnavailableError, WaitTimeout
from harness.providers.base import Provider
from harness.pulls.context import Site
from harness.registries.sources import ImageRecord
from harness.releases import shared, surroundings
from harness.releases.install import OPERATOR_NAMESPACE, RELEASE_NAME
from harness.releases.values import merge
from harness.report.model import CellResult, RetryResult, cell_result
from harness.run.attempt import Attempt, Kept, Scene
from harness.run.gathering import Gatherer
from harness.run.kept import kept_facts
from harness.run.locking import Locker, operator_image
from harness.run.passage import Passage
from harness.run.preparation import Preparation
from harness.run.pulling import Around, Pulling
from harness.run.resources import Resources
from harness.run.setup import Host, Request
from harness.run.slots import Slots
from harness.upgrades import faults
from harness.verdicts import Finding, Verdict, errored, failed, passed, unavailable, worst
from harness.waiting import Cancelled, Deadline, cancelled

Done = Callable[[CellResult], None]


class Group:
    """The attempts that share one cluster. `run` reports each of them exactly once through `done`."""

    def __init__(
        self,
        name: str,
        attempts: Sequence[Attempt],
        *,
        cluster_name: str,
        asked: Request,
        host: Host,
        resources: Resources,
        evidence_folder: Callable[[Attempt], Path],
        done: Done,
        say: Callable[[str], None],
    ) -> None:
        """`cluster_name` is unique on this host."""
        self.name = name
        self.attempts = attempts
        self.again: list[Attempt] = []
        """Attempts without a result, which need another cluster. To be read when `run` has returned."""
        self.kept: Kept | None = None
        self.cluster_name = cluster_name
        self._asked = asked
        self._host = host
        self._resources = resources
        self._evidence_folder = evidence_folder
        self._done = done
        self._say = say
        self._slots = Slots(asked.settings.cache_dir / "slots", "scenario", asked.settings.app_slots)
        self._gatherer = Gatherer(cluster_name, host, resources, say)
        self._locker = Locker(asked, host, resources, say)
        self._preparation = Preparation(
            name,
            attempts,
            cluster_name=cluster_name,
            asked=asked,
            host=host,
            resources=resources,
            locker=self._locker,
            say=say,
        )
        self._passage = Passage(attempts, asked=asked, host=host, resources=resources, say=self._say_here)
        self._pulling = Pulling(attempts[0].cell, asked=asked, host=host, resources=resources, say=self._say_here)
        self._reported: set[str] = set()
        self._lock = threading.Lock()

    @property
    def environment(self) -> Any:
        """The environment of all the cells."""
        return self.attempts[0].cell.environment

    @property
    def _fails_midway(self) -> bool:
        return self.attempts[0].cell.scenario.name in faults.discover()

    def _say_here(self, text: str) -> None:
        self._say(f"{self.name}: {text}")

    @property
    def _seed(self) -> int:
        return seeds.of_attempt(self._asked.seed, self.attempts[0].number)

    def run(self) -> None:
        """Make the cluster, run the cells, remove the cluster. Does not raise; Cancelled cells are not reported."""
        scene = Scene()
        keep = False
        held = ExitStack()
        try:
            if self.attempts[0].cell.path.moves:
                held.enter_context(self._passage.place())
            scene.provider = self._preparation.provider()
            if self._pulling.wanted:
                scene.stage = held.enter_context(self._pulling.staged(self.cluster_name))
            refusal = self._preparation.prepare(scene)
            if refusal is None and self._pulling.wanted:
                self._run_pulls(scene)
            elif refusal is None and self._fails_midway:
                self._run_fault(scene)
            elif refusal is None and self.attempts[0].cell.path.moves:
                self._run_path(scene)
            elif refusal is None:
                self._run_cells(scene)
            else:
                self._report_all(scene, refusal)
            # What is handed back is kept on its next cluster.
            keep = self._asked.options.keep and scene.cluster is not None and bool(self._reported)
        except Cancelled:
            self._say(f"{self.name}: ended early")
        except UnavailableError as missing:
            self._report_all(scene, unavailable("inputs-available", str(missing)))
        except Exception as error:
            self._report_rest(scene, error)
        finally:
            if scene.provider is not None:
                if keep and scene.cluster is not None:
                    self._keep(scene.cluster, scene.provider)
                else:
                    self._remove(scene.provider)
            held.close()

    def _report_rest(self, scene: Scene, error: Exception) -> None:
        """Give the cells without a result this error, unless the run is being ended."""
        finding = errored("cluster", str(error)) if isinstance(error, HarnessError) else _of_bug("cluster", error)
        try:
            self._report_all(scene, finding)
        except Cancelled:
            self._say(f"{self.name}: ended early")

    def _run_cells(self, scene: Scene) -> None:
        cluster, installed = scene.cluster, scene.installed
        if cluster is None or installed is None:
            raise HarnessError("cells need a cluster and an installed release")
        resolve = self._resources.source.digests
        # The longest first, so that the last one does not run alone for long.
        order = sorted(self.attempts, key=lambda attempt: -attempt.cell.scenario.timeout)
        with (
            ThreadPoolExecutor(1, "install-checks") as beside,
            ThreadPoolExecutor(self._asked.settings.app_slots, "cells") as pool,
        ):
            checks = beside.submit(install_checks.run, cluster, installed, resolve=resolve, seed=self._seed)
            running = [pool.submit(self._run_cell, scene, attempt, checks) for attempt in order]
            for future in running:
                future.result()

    def _run_path(self, scene: Scene) -> None:
        """Go along the path once, and judge what was seen for each cell."""
        observed, refusal = self._passage.go(scene, seed=self._seed)
        if observed is None:
            self._report_all(scene, refusal)
            return
        scene.phases.update({f"path-{part}": seconds for part, seconds in observed.seconds.items()})
        for attempt in self.attempts:
            findings = self._guarded("judged", lambda: self._passage.judge(observed, attempt.cell))  # noqa: B023
            self._report(scene, attempt, findings, {})

    def _run_fault(self, scene: Scene) -> None:
        """Let the upgrade fail in the middle, as the one cell of this cluster asks for it."""
        attempt = self.attempts[0]
        started = time.monotonic()
        with self._slots.some():
            findings = self._guarded(
                attempt.cell.scenario.name,
                lambda: self._passage.fail(scene, attempt.cell, seed=self._seed, host_now=self._preparation.host_now),
            )
        self._report(scene, attempt, findings, {"scenario": time.monotonic() - started})

    def _run_pulls(self, scene: Scene) -> None:
        """Run the cells about registries one by one: each changes what the next one finds there."""
        namespaces, site = self._preparation.namespaces(), Site(installed=scene.installed)
        for attempt in self.attempts:
            started = time.monotonic()
            around = Around(
                job_namespaces=namespaces,
                before_deletion=partial(self._before_deletion, scene, attempt),
                host_now=self._preparation.host_now,
                gather=partial(self._gather_to, scene, attempt, ()),
                reports=self._evidence_folder(attempt).parents[2],
                seed=self._seed,
            )
            run = partial(self._pulling.run, scene, site, attempt.cell, around)
            with self._slots.some():
                findings = self._guarded(attempt.cell.scenario.name, run)
            scene.installed = site.installed
            self._report(scene, attempt, findings, {"scenario": time.monotonic() - started})

    def _run_cell(self, scene: Scene, attempt: Attempt, install_checks: Future[list[Finding]]) -> None:
        with self._slots.some():
            if not scene.clean:
                self._hand_back(attempt, "needs a cluster that the cells before it left clean")
                return
            namespace = attempt.cell.scenario.namespace
            started = time.monotonic()
            scene.running.add(namespace)
            try:
                findings = self._run_scenario(scene, attempt)
                findings += self._guarded(cleanliness.CHECK, lambda: self._left_clean(scene, namespace))
            finally:
                scene.running.discard(namespace)
            phases = {"scenario": time.monotonic() - started}
        waited = time.monotonic()
        findings += self._guarded("install-checks", install_checks.result)
        phases["checks-after-scenario"] = time.monotonic() - waited
        self._report(scene, attempt, findings, phases)

    def _left_clean(self, scene: Scene, namespace: str) -> list[Finding]:
        """The proof that the next cell finds what this one found."""
        if scene.cluster is None or scene.before is None:
            raise HarnessError("what the cells share was not looked at before them")
        others = set(scene.running) - {namespace}
        finding = cleanliness.left_clean(scene.before, shared.look(scene.cluster, OPERATOR_NAMESPACE), others=others)
        if finding.verdict is not Verdict.PASSED:
            scene.clean = False
        return [finding]

    def _run_scenario(self, scene: Scene, attempt: Attempt) -> list[Finding]:
        if scene.cluster is None or scene.installed is None:
            raise HarnessError("a cell needs a cluster and an installed release")
        scenario = attempt.cell.scenario
        context = ScenarioContext(
            cluster=scene.cluster,
            release=scene.installed.release,
            chart=scene.installed.chart,
            namespace=scenario.namespace,
            operator_namespace=OPERATOR_NAMESPACE,
            helm=self._host.tools["helm"].path,
            folder=self._resources.scratch(f"{self.cluster_name}/{scenario.name}"),
            spark_images=samples.chart_values().spark.images,
            deadline=Deadline(seconds=scenario.timeout),
            before_deletion=lambda findings: self._before_deletion(scene, attempt, findings),
            seed=self._seed,
            user_apps=self._asked.apps,
        )
        if scenario.name == users.NAME:
            return self._guarded(scenario.name, lambda: user_trial.run(context))
        return self._guarded(scenario.name, lambda: scenarios.discover()[scenario.name].run(context))

    def _guarded(self, what: str, act: Callable[[], list[Finding]]) -> list[Finding]:
        """Findings, also of what nobody foresaw: a bug of the harness must not look like one of the product."""
        try:
            return list(act())
        except Cancelled:
            raise
        except WaitTimeout as late:
            return [failed(what, late.message)]
        except HarnessError as error:
            return [errored(what, str(error))]
        except (client.ApiException, HTTPError) as away:
            return [errored(what, f"the API server failed: {away}")]
        except Exception as bug:
            return [_of_bug(what, bug)]

    def _report_all(self, scene: Scene, finding: Finding) -> None:
        for attempt in self.attempts:
            if attempt.name not in self._reported | {it.name for it in self.again}:
                self._report(scene, attempt, [finding], {})

    def _report(self, scene: Scene, attempt: Attempt, findings: list[Finding], phases: Mapping[str, float]) -> None:
        if cancelled() and worst(findings) is not Verdict.PASSED:
            raise Cancelled(f"{attempt.name}: programs were ended with the run, so that nothing is proved")
        with self._lock:
            if attempt.name in self._reported:
                return
            self._reported.add(attempt.name)
        started = time.monotonic()
        took = dict(phases)
        evidence = ""
        diagnosis = None
        missing_before = scene.cluster is None and worst(findings) is Verdict.UNAVAILABLE
        # An input that was not to be had before there was a cluster is not to be had on an idle host either, and a
        # break that came as predicted needs no other reason.
        if worst(findings) not in (Verdict.PASSED, Verdict.BROKEN_AS_KNOWN) and not missing_before:
            diagnosis = scene.diagnoses.get(attempt.name) or self._diagnose(scene, attempt, findings)
        if diagnosis is not None:
            findings = [diagnosis.finding(), *findings]
        if worst(findings) not in (Verdict.PASSED, Verdict.UNAVAILABLE):
            evidence = self._collect(scene, attempt, findings)
            took["evidence"] = time.monotonic() - started
        if diagnosis is not None and diagnosis.again and not attempt.retries and not cancelled():
            self._retry(attempt, diagnosis, evidence)
            return
        images, missing = self._images(scene, attempt)
        lock = self._locker.lock(attempt.cell, attempt.number, watched=attempt.watched)
        self._locker.keep(lock, evidence)
        self._done(
            cell_result(
                attempt.cell,
                [*findings, *missing],
                repro=self._locker.repro(lock),
                lock=lock.digest,
                drift=[str(difference) for difference in self._locker.differences(attempt.cell)],
                phases={**scene.phases, **took},
                images=images,
                evidence=evidence,
                attempt=attempt.number,
                retries=attempt.retries,
                distribution=self.environment.distribution_from(self._host.choice.kind),
                watched=attempt.watched,
            )
        )

    def _diagnose(self, scene: Scene, attempt: Attempt, findings: Sequence[Finding]) -> Diagnosis | None:
        """Whether it was the host, the node or a registry; None when it was not."""
        said = [finding.message for finding in findings if finding.verdict is not Verdict.PASSED]
        host = self._preparation.host_now()
        # A registry that fails midway may be the very thing that the cell is about, and is judged by it.
        if scene.cluster is None or self._fails_midway or self._pulling.wanted:
            return infrastructure.diagnose(host, said=said)
        try:
            namespaces = [attempt.cell.scenario.namespace, OPERATOR_NAMESPACE]
            found = infrastructure.diagnose(host, surroundings.look(scene.cluster, namespaces), said)
        except (client.ApiException, HTTPError) as away:
            return infrastructure.node_lost(host, str(away))
        if found is not None and found.cause is infrastructure.Cause.REGISTRY_BUSY and found.image:
            return found.with_limit(self._resources.pulls_left(found.image))
        return found

    def _retry(self, attempt: Attempt, diagnosis: Diagnosis, evidence: str) -> None:
        """Give the attempt back for one more try; the evidence of this one gets out of the way of the next."""
        folder = Path(evidence) if evidence else None
        if folder is not None:
            folder = folder.rename(folder.with_name(f"{folder.name}.first-try"))
        retry = RetryResult(
            cause=diagnosis.cause.value,
            message=diagnosis.message,
            cluster=self.cluster_name,
            evidence=str(folder or ""),
        )
        self._hand_back(replace(attempt, retries=(*attempt.retries, retry)), f"is tried once more: {diagnosis.message}")

    def _hand_back(self, attempt: Attempt, why: str) -> None:
        self._say(f"{attempt.name} {why}")
        with self._lock:
            self._reported.discard(attempt.name)
            self.again.append(attempt)

    def _images(self, scene: Scene, attempt: Attempt) -> tuple[list[ImageRecord], list[Finding]]:
        """The images that the cell used, with their digests."""
        if scene.installed is None:
            return list(scene.images), []
        found = list(scene.images)
        problems: list[Finding] = []
        values = merge(*self._asked.values)
        operators = [operator_image(stop.release, values) for stop in scene.stops.values()]
        wanted = [*operators, *attempt.cell.scenario.images]
        for reference in dict.fromkeys(wanted):
            try:
                found.append(self._resources.source.resolve(reference))
            except HarnessError as missing:
                problems.append(errored("images-recorded", f"{reference} has no known digest: {missing.message}"))
        if not problems:
            problems.append(passed("images-recorded", f"{len(found)} images, each with its digest"))
        return found, [*problems, *self._locker.agreement(attempt.cell)]

    def _before_deletion(self, scene: Scene, attempt: Attempt, findings: Sequence[Finding]) -> None:
        diagnosis = self._diagnose(scene, attempt, findings)
        if diagnosis is not None:
            scene.diagnoses[attempt.name] = diagnosis
        self._collect(scene, attempt, findings)

    def _collect(self, scene: Scene, attempt: Attempt, findings: Sequence[Finding]) -> str:
        return self._gather_to(scene, attempt, findings, self._evidence_folder(attempt))

    def _gather_to(self, scene: Scene, attempt: Attempt, findings: Sequence[Finding], folder: Path) -> str:
        return self._gatherer.gather(
            attempt.cell,
            attempt.name,
            findings,
            folder,
            cluster=scene.cluster,
            provider=scene.provider,
            images=scene.images,
            secrets=scene.stage.secrets if scene.stage else (),
        )

    def _remove(self, provider: Provider) -> None:
        ledger = self._resources.ledger
        planned = ledger is not None and any(entry.name == self.cluster_name for entry in ledger.open_entries())
        if not planned or ledger is None:
            return
        try:
            with process.sheltered():
                provider.delete(self.cluster_name)
            ledger.gone("cluster", self.cluster_name)
        except (HarnessError, OSError) as error:
            self._say(f"{self.name}: cluster {self.cluster_name} could not be removed: {error}")

    def _keep(self, cluster: Cluster, provider: Provider) -> None:
        kubectl = self._host.tools[f"kubectl-{self.environment.minor}"].path
        if self._resources.ledger is not None:
            namespaces = {it.cell.id: it.cell.scenario.namespace for it in self.attempts if it.name in self._reported}
            facts = kept_facts(
                cluster,
                namespaces,
                release=RELEASE_NAME,
                release_namespace=OPERATOR_NAMESPACE,
                tools={**{name: tool.path for name, tool in self._host.tools.items()}, "kubectl": kubectl},
            )
            self._resources.ledger.planned("cluster", self.cluster_name, **facts)
        self.kept = Kept(
            cluster=cluster.name,
            kubeconfig=cluster.kubeconfig,
            shell=provider.shell_hint(cluster),
            remove=f"nox -s clean -- --run {self._resources.run_id}",
            kubectl=kubectl,
            look=f"harness shell {self.attempts[0].cell.id}",
        )


def _of_bug(what: str, bug: Exception) -> Finding:
    """What nobody foresaw; to be called where it is caught."""
    return errored(what, f"the harness failed: {type(bug).__name__}: {bug}", traceback=traceback.format_exc())
