# SPDX-License-Identifier: Apache-2.0
"""Makes the findings of a cell its result: with a diagnosis, evidence and a lock, or handed back for one more try."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import seeds, stories
from harness.apps import users
from harness.checks.infrastructure import Diagnosis
from harness.errors import HarnessError, UnaskedError
from harness.machine import HostSeen
from harness.matrix.model import Cell
from harness.redaction.redactor import Redactor
from harness.registries.image_records import ImageRecord
from harness.releases.asked import operator_image
from harness.releases.values import merge
from harness.report.model import CellResult, RetryResult, cell_result
from harness.run import diagnosing, values_fit
from harness.run.attempt import Attempt, ClusterRecord
from harness.run.gathering import Gatherer
from harness.run.locking import Locker
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.stories.cluster import PreparedCluster
from harness.verdicts import Finding, Verdict, errored, passed, unavailable, worst
from harness.waiting import Cancelled, cancelled
from harness.wording import counted

Done = Callable[[CellResult], None]


class CellReports:
    """The results of the cells of one cluster, each given once to `done`. May be used by several threads."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        record: ClusterRecord,
        *,
        cluster_name: str,
        asked: Request,
        host: Host,
        resources: Resources,
        locker: Locker,
        host_now: Callable[[], HostSeen],
        evidence_folder: Callable[[Attempt], Path],
        done: Done,
        say: Callable[[str], None],
    ) -> None:
        self.again: list[Attempt] = []
        """Attempts without a result, which need another cluster."""
        self.reported: set[str] = set()
        self.troubled = False
        """Whether a cell had an error, after which nothing is known of the cluster."""
        self._attempts = attempts
        self._record = record
        self._cluster_name = cluster_name
        self._asked = asked
        self._resources = resources
        self._locker = locker
        self._host_now = host_now
        self._evidence_folder = evidence_folder
        self._done = done
        self._say = say
        self._source_kind = host.choice.kind
        self._gatherer = Gatherer(cluster_name, host, resources, say, asked.home)
        self._lock = threading.Lock()

    def of(self, attempt: Attempt) -> AttemptRun:
        """What a story is handed for an attempt."""
        folder = self._evidence_folder(attempt)
        return AttemptRun(
            cell=attempt.cell,
            seed=seeds.of_attempt(self._asked.seed, attempt.number),
            reports=folder.parents[2],
            attempt=attempt,
            to=self,
        )

    def report_all(self, finding: Finding) -> None:
        """Give the cells without a result this finding. Raises Cancelled when the run is being ended."""
        for attempt in self._attempts:
            if attempt.name not in self.reported | {it.name for it in self.again}:
                installed = isinstance(self._record.made, PreparedCluster)
                self.report(attempt, [finding], {}, operator_ran=installed)

    def report(
        self,
        attempt: Attempt,
        findings: Sequence[Finding],
        phases: Mapping[str, float],
        *,
        operator_ran: bool,
        waited: float = 0.0,
    ) -> None:
        """Give an attempt its result, or hand it back. Raises Cancelled when the run is being ended."""
        if cancelled() and worst(findings) is not Verdict.PASSED:
            raise Cancelled(f"{attempt.name}: programs were ended with the run, so that nothing is proved")
        with self._lock:
            if attempt.name in self.reported:
                return
            self.reported.add(attempt.name)
        started = time.monotonic()
        took = dict(phases)
        evidence = ""
        diagnosis = None
        missing_before = self._record.made is None and worst(findings) is Verdict.UNAVAILABLE
        # An input that was not to be had before there was a cluster is not to be had on an idle host either, and a
        # break that came as predicted needs no other reason.
        if worst(findings) not in (Verdict.PASSED, Verdict.BROKEN_AS_KNOWN) and not missing_before:
            diagnosis = self._record.diagnoses.get(attempt.name) or self._diagnose(attempt, findings)
        if diagnosis is not None:
            findings = [diagnosis.finding(), *findings]
        self.troubled = self.troubled or worst(findings) in (Verdict.ERROR, Verdict.UNAVAILABLE)
        if worst(findings) not in (Verdict.PASSED, Verdict.UNAVAILABLE):
            evidence = self.gather(attempt, findings, self._evidence_folder(attempt))
            took["evidence"] = time.monotonic() - started
        if diagnosis is not None and diagnosis.again and not attempt.retries and not cancelled():
            self._retry(attempt, diagnosis, evidence)
            return
        images, missing = self._images(attempt, operator_ran=operator_ran)
        lock = self._locker.lock(attempt.cell, attempt.number, watched=attempt.watched)
        self._locker.keep(lock, evidence)
        self._done(
            cell_result(
                attempt.cell,
                self._without_secrets([*findings, *values_fit.shown(self._record.told), *missing]),
                repro=self._locker.repro(lock),
                lock=lock.digest,
                drift=[str(difference) for difference in self._locker.differences(attempt.cell)],
                phases={**self._record.phases, **took},
                images=images,
                evidence=evidence,
                attempt=attempt.number,
                retries=attempt.retries,
                distribution=attempt.cell.environment.distribution_from(self._source_kind),
                watched=attempt.watched,
                waited=self._record.waited + waited,
            )
        )

    def _without_secrets(self, findings: Sequence[Finding]) -> list[Finding]:
        """The findings without the secrets that the run knows; a report masks those that have the look of one."""
        registries = self._record.registries
        own = registries.secrets if registries else ()
        redactor = Redactor((*self._resources.source.mirrors.secrets, *own, *self._secrets_before))
        return [Finding.model_validate(redactor.value(it.model_dump())) for it in findings]

    @property
    def _secrets_before(self) -> list[str]:
        """What the Secrets of --before hold."""
        documents = self._asked.before
        return users.secret_values(
            [users.UserManifest(file=it.where, line=0, document=dict(it.document)) for it in documents]
        )

    def before_deletion(self, attempt: Attempt, findings: Sequence[Finding]) -> None:
        """Diagnose and gather evidence, before what the findings are about is deleted."""
        diagnosis = self._diagnose(attempt, findings)
        if diagnosis is not None:
            self._record.diagnoses[attempt.name] = diagnosis
        self.gather(attempt, findings, self._evidence_folder(attempt))

    def gather(self, attempt: Attempt, findings: Sequence[Finding], folder: Path) -> str:
        """Put the evidence into a folder, unless it is there; its path, or empty when there is none."""
        registries = self._record.registries
        return self._gatherer.gather(
            attempt.cell,
            attempt.name,
            findings,
            folder,
            made=self._record.made,
            images=self._record.images,
            secrets=[
                *(registries.secrets if registries else ()),
                *users.secret_values(self._asked.given.apps),
                *self._secrets_before,
            ],
            argocd=self._record.argocd,
        )

    def hand_back(self, attempt: Attempt, why: str) -> None:
        """Give no result; the attempt needs another cluster."""
        self._say(f"{attempt.name} {why}")
        with self._lock:
            self.reported.discard(attempt.name)
            self.again.append(attempt)

    def _diagnose(self, attempt: Attempt, findings: Sequence[Finding]) -> Diagnosis | None:
        """Whether it was the host, the node or a registry; None when it was not."""
        # What a story breaks on purpose is what its cells are about, and is judged by them.
        story, made = stories.of(attempt.cell.scenario), self._record.made
        return diagnosing.diagnose(
            findings,
            self._host_now(),
            self._resources,
            cluster=made.cluster if made is not None and not story.breaks_things else None,
            namespaces=[*story.job_namespaces(attempt.cell), self._asked.home.namespace],
        )

    def _retry(self, attempt: Attempt, diagnosis: Diagnosis, evidence: str) -> None:
        """Give the attempt back for one more try; the evidence of this one gets out of the way of the next."""
        folder = Path(evidence) if evidence else None
        if folder is not None:
            folder = folder.rename(folder.with_name(f"{folder.name}.first-try"))
        retry = RetryResult(
            cause=diagnosis.cause.value,
            message=diagnosis.message,
            cluster=self._cluster_name,
            evidence=str(folder or ""),
        )
        self.hand_back(replace(attempt, retries=(*attempt.retries, retry)), f"is tried once more: {diagnosis.message}")

    def _images(self, attempt: Attempt, *, operator_ran: bool) -> tuple[list[ImageRecord], list[Finding]]:
        """The images that the cell used, with their digests."""
        found = list(self._record.images)
        if not operator_ran or self._record.made is None:
            return found, []
        problems: list[Finding] = []
        values = merge(*self._asked.values)
        operators = [operator_image(it.release, values) for it in self._record.made.releases.values()]
        wanted = [*operators, *attempt.cell.scenario.images]
        for reference in dict.fromkeys(wanted):
            try:
                found.append(self._resources.source.resolve(reference))
            except HarnessError as missing:
                make = unavailable if isinstance(missing, UnaskedError) else errored
                problems.append(make("images-recorded", f"{reference} has no known digest: {missing.message}"))
        if not problems:
            problems.append(passed("images-recorded", f"{counted(len(found), 'image')}, each with its digest"))
        return found, [*problems, *self._locker.agreement(attempt.cell)]


@dataclass(frozen=True, kw_only=True)
class AttemptRun:
    """An attempt as a story is handed it; has the methods of harness.stories.protocol.CellRun."""

    cell: Cell
    seed: int
    reports: Path
    attempt: Attempt
    to: CellReports

    def report(
        self,
        findings: Sequence[Finding],
        phases: Mapping[str, float] | None = None,
        *,
        operator_ran: bool = True,
        waited: float = 0.0,
    ) -> None:
        """Give the cell its findings."""
        self.to.report(self.attempt, findings, phases or {}, operator_ran=operator_ran, waited=waited)

    def before_deletion(self, findings: Sequence[Finding]) -> None:
        """Gather the evidence for these findings."""
        self.to.before_deletion(self.attempt, findings)

    def gather(self, folder: Path) -> None:
        """Put all the evidence of this moment into a folder."""
        self.to.gather(self.attempt, (), folder)

    def hand_back(self, why: str) -> None:
        """Give no result."""
        self.to.hand_back(self.attempt, why)
