# SPDX-License-Identifier: Apache-2.0
"""A run as a whole: the host is looked at, the report opened, cells are run, everything is removed and told.

`harness/plugin.py` lets pytest ask for it; nothing here knows of pytest.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from rich.text import Text

from harness import __version__
from harness import options as run_options
from harness.errors import HarnessError, HostError, UsageError
from harness.evidence.ledger import new_run_id
from harness.host import memory
from harness.matrix.estimate import Estimator
from harness.redaction.redactor import Redactor
from harness.report import summary
from harness.report.history import History
from harness.report.model import (
    CellResult,
    ChartChanges,
    OperatorResult,
    PlannedCluster,
    RunResult,
    SourceResult,
    exit_status,
)
from harness.report.text import lines_of, wide_console
from harness.report.writer import ReportWriter
from harness.run import plan, run_host, setup
from harness.run.attempt import Attempt
from harness.run.lockstore import LockStore
from harness.run.runner import Runner
from harness.verdicts import Verdict

if TYPE_CHECKING:
    from harness.under_test.operator import UnderTest

Say = Callable[[str], None]


class Session:
    """A run from the first look at the host to its summary: all of it in a single process, or the part of an xdist
    controller or worker."""

    def __init__(
        self,
        asked: setup.Request,
        *,
        say: Say,
        host: Callable[[], run_host.Host] | None = None,
        worker: Mapping[str, Any] | None = None,
        has_workers: bool = False,
    ) -> None:
        """`worker` is what an xdist worker was given by its controller, which `has_workers`; `say` prints a line.

        `host` tells what was found on this host, where somebody looks already.
        """
        self._host = host or (lambda: run_host.host(self.asked))
        self._worker = worker
        self._has_workers = has_workers
        self.asked = replace(asked, seed=worker["seed"]) if worker else asked
        self.run_id: str = worker["run_id"] if worker else new_run_id()
        self.leaks: list[str] = []
        self.kept: list[Mapping[str, str]] = []
        self._say = say
        self._console = wide_console()
        self._runner: Runner | None = None
        self._report: ReportWriter | None = None
        self._finished: RunResult | None = None
        self._error: HarnessError | None = None
        self._lock = threading.Lock()
        self._added: set[tuple[str, int]] = set()
        self._chosen = 0
        self._handlers: dict[int, Any] = {}

    def begin(self, chosen: Sequence[Attempt]) -> bool:
        """Inspect the host, open the report and start the clusters. False if that failed; `show` says why."""
        self._chosen = len(chosen)
        try:
            host = self._host()
            self._agree(host)
            reports = self.asked.settings.reports_dir
            self._report = ReportWriter(reports, self._empty_report(host, chosen), share=self.asked.options.share)
            self._say(str(host.choice))
            for name, tool in host.tools.items():
                self._say(f"{name} {tool}")
            self._catch_sigterm()
            if not self._has_workers:
                self._show_plan(self._open(self.run_id, host).start(chosen))
        except HarnessError as error:
            self._error = error
        except OSError as error:
            self._error = HostError(f"the run cannot start: {error}", "run `harness doctor`, and check HARNESS_CACHE")
        return self._error is None

    def _agree(self, host: run_host.Host) -> None:
        """Have the user's leave for what is to be done in a cluster of theirs. Raises UsageError and ClusterError."""
        if self.asked.existing is None:
            return
        from harness.run import guest_plan

        if self._has_workers:
            raise UsageError("-n cannot be used in an existing cluster: there is only one", "leave out -n")
        guest_plan.agree(self.asked, host.choice.kind, self._say)

    def result(self, attempt: Attempt, mates: Sequence[Attempt]) -> CellResult:
        """Wait for a cell's result, starting its group, which `mates` are all of, if necessary. Raises HarnessError."""
        if self._error is not None:
            raise self._error
        runner = self._runner or self._open_worker()
        runner.start(mates)
        return runner.result(attempt)

    def hear(self, leaks: Sequence[str], kept: Sequence[Mapping[str, str]]) -> None:
        """Take over what an xdist worker reports when it ends."""
        self.leaks += leaks
        self.kept += kept

    @property
    def planned(self) -> list[str]:
        """The names of the attempts in the order of the plan; empty under xdist, where each worker has its own plan."""
        return [name for cluster in (self._runner.plan if self._runner else ()) for name in cluster.cells]

    def add(self, result: CellResult) -> None:
        """Add a result to the report, unless it is already there."""
        with self._lock:
            if self._report is None or (result.id, result.attempt) in self._added:
                return
            self._added.add((result.id, result.attempt))
        result = self._relative(result, self._report)
        if result.lock:
            try:
                LockStore.of(self.asked.settings).copy(result.lock, self._report.folder / "locks")
            except (OSError, HarnessError) as error:
                self._say(f"the lock of {result.id} is not in the report: {error}")
        try:
            self._report.add(result)
        except HarnessError as error:
            # What has been found is still told; cells that have not begun would only be lost.
            self._say(f"{result.name}: {error}")
            self._error = self._error or error

    def _hear(self, result: CellResult) -> None:
        """Store a result at once: pytest asks for results in order, and the run may be killed before it does."""
        if self._worker is not None:
            return
        self.add(result)
        self._say(f"{result.name}: {result.verdict} ({len(self._added)} of {self._chosen})")

    def _relative(self, result: CellResult, report: ReportWriter) -> CellResult:
        """The result with evidence folders as results.json names them."""

        def relative(folder: str) -> str:
            return report.relative(Path(folder)) if folder else ""

        retries = [it.model_copy(update={"evidence": relative(it.evidence)}) for it in result.retries]
        return result.model_copy(update={"evidence": relative(result.evidence), "retries": tuple(retries)})

    def end(self) -> int | None:
        """Tear everything down and close the report; returns the exit status, or None for a worker or an empty
        session."""
        if self._runner is not None:
            with _Undisturbed():
                self.leaks += self._runner.close()
            self.kept += [{key: str(value) for key, value in asdict(kept).items()} for kept in self._runner.kept]
        self._restore_sigterm()
        if self._report is None:
            return self._error.exit_status if self._error and self._worker is None else None
        peak = memory.peak_mib()
        try:
            if self._runner is not None:
                self._report.plan(self._runner.plan)
                changes = self._runner.operator_changes.items()
                self._report.operator_changes([ChartChanges(release=name, lines=lines) for name, lines in changes])
            self._finished = self._report.finish(peak_memory_mib=peak, leaks=self.leaks)
            History(self.asked.settings.cache_dir / "history.json").record(self._finished.cells)
        except HarnessError as error:
            self._error = self._error or error
        except OSError as error:
            self._error = self._error or HostError(f"the run cannot be recorded: {error}", "free some disk")
        if self._finished is None:
            return self._error.exit_status if self._error else HostError.exit_status
        return self._error.exit_status if self._error else exit_status(self._finished)

    def show(self) -> None:
        """Print the run's summary, or why nothing ran."""
        if self._finished is not None and self._report is not None and self._error is None:
            summary.terminal(self._finished, self._console, self._report.folder)
        for kept in self.kept:
            self._console.print(f"\nCluster {kept['cluster']} was kept:")
            self._console.print(f"  export KUBECONFIG={kept['kubeconfig']}")
            if shutil.which("kubectl") is None:
                self._console.print(f"  kubectl:           {kept['kubectl']}")
            self._console.print(f"  shell:             {kept['look']}")
            self._console.print(f"  shell in its node: {kept['shell']}")
            self._console.print(f"  remove it:         {kept['remove']}")
        if self._error is not None:
            self._console.print(Text(line_of(self._error), style="bold red"))

    def describe(self, result: CellResult) -> str:
        """What pytest prints for a cell that did not pass."""
        lines = [f"{result.id}: {result.verdict}: {result.reason}"]
        lines += [
            f"  {check.verdict}: {check.name}: {check.message}"
            for check in result.checks
            if check.verdict is not Verdict.PASSED
        ]
        if result.evidence:
            lines.append(f"  evidence: {result.evidence}")
        lines.append(f"  again: {result.repro}")
        return "\n".join(lines)

    def _open(self, run_id: str, host: run_host.Host) -> Runner:
        self._runner = Runner(
            run_id,
            self.asked,
            host,
            evidence_folder=self._evidence_folder,
            say=self._say,
            expect=self._expect(),
            done=self._hear,
        )
        self._runner.open()
        return self._runner

    def _expect(self) -> plan.Expect:
        wanted = self.asked.settings
        learnt = History(wanted.cache_dir / "history.json").learnt()
        return Estimator(learnt, slots=wanted.app_slots // wanted.jobs).group

    def _show_plan(self, planned: Sequence[PlannedCluster]) -> None:
        if self._report is not None:
            self._report.plan(planned)
        for line in lines_of(plan.table(planned, jobs=self.asked.settings.jobs)):
            self._say(line)

    def _open_worker(self) -> Runner:
        """The runner of an xdist worker, created for its first cell: a worker without cells creates nothing."""
        if self._worker is None:
            raise HarnessError("the run was not started")
        try:
            self._catch_sigterm()
            return self._open(new_run_id(), self._host())
        except HarnessError as error:
            self._error = error
            raise

    def _evidence_folder(self, attempt: Attempt) -> Path:
        name = attempt.cell.id if attempt.number == 1 else f"{attempt.cell.id}.attempt-{attempt.number}"
        return self.asked.settings.reports_dir / self.run_id / name

    def _empty_report(self, host: run_host.Host, chosen: Sequence[Attempt]) -> RunResult:
        planned = [attempt.cell.id for attempt in chosen] or [cell.id for cell in self.asked.cells]
        return RunResult(
            run_id=self.run_id,
            started=datetime.now(UTC),
            harness_version=__version__,
            source=SourceResult(kind=host.choice.kind, why=host.choice.why, rehearsed=self.asked.settings.rehearsed),
            host=host.result,
            tools={name: str(tool) for name, tool in host.tools.items()},
            selection=tuple(run_options.words(self.asked.options)),
            seed=self.asked.seed,
            operator=_operator(self.asked.under_test),
            planned=tuple(dict.fromkeys(planned)),
        )

    def _catch_sigterm(self) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt(f"received {signal.Signals(number).name}")

        self._handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, stop)

    def _restore_sigterm(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


def _operator(found: UnderTest | None) -> OperatorResult | None:
    """The operator under test as a report has it."""
    if found is None:
        return None
    git = found.git
    return OperatorResult(
        name=found.release.name,
        obtained=found.obtained,
        sha256=found.sha256,
        commit=git.commit if git else "",
        changed=git.changed if git else (),
        diff=git.diff if git else "",
        told=found.told,
    )


class _Undisturbed:
    """Ignores SIGINT and SIGTERM within the block: a second Ctrl-C must not interrupt the clean-up."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _note(number: int, frame: FrameType | None) -> None:
        os.write(2, b"still cleaning up; please wait\n")


def line_of(error: HarnessError) -> str:
    """An error as it is printed."""
    return Redactor().text(f"{type(error).__name__}: {error}")
