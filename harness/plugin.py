# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: cells as test items, with their id as node id. A thin adapter of harness.run.

`pytest -p harness.plugin clusters/environments.toml --env kind-1.34` collects cells from the matrix; -k, -x, --lf and
xdist (-n) work as with any test. Under xdist a worker runs whole groups, since their cells share a cluster; the
controller writes the report.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, cast

import pytest
from rich.text import Text

from harness import __version__
from harness import options as run_options
from harness.errors import HarnessError, HostError, UsageError
from harness.evidence.ledger import new_run_id
from harness.matrix.estimate import Estimator
from harness.report import summary
from harness.report.history import History
from harness.report.model import CellResult, PlannedCluster, RunResult, SourceResult, exit_status
from harness.report.text import lines_of, wide_console
from harness.report.writer import ReportWriter
from harness.run import plan, run_host, setup
from harness.run.attempt import Attempt
from harness.run.lockstore import LockStore
from harness.run.runner import Runner
from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

MATRIX_FILE = PROJECT_ROOT / "clusters" / "environments.toml"
"""The file from which cells are collected."""

_RESULT = "cell-result"
_LEAKS = "cells-leaks"
_KEPT = "cells-kept"
_WORKER_END_SECONDS = 60.0
_KEY = pytest.StashKey["Session"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of `harness run`."""
    group = parser.getgroup("cells", "cells of the compatibility matrix")
    run_options.declare(group.addoption, (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Parse the request before anything is collected; an invalid one ends pytest with its exit status."""
    try:
        session = Session(config)
    except HarnessError as error:
        pytest.exit(_told(error), returncode=_pytest_status(error.exit_status))
    config.stash[_KEY] = session


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the matrix."""
    if file_path == MATRIX_FILE:
        return cast(pytest.Collector, Matrix.from_parent(parent, path=file_path))
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Start the run once the selection is known; returns True, which ends pytest's loop, if that fails."""
    if session.config.option.collectonly or _is_worker(session.config):
        return None
    chosen = [item.attempt for item in getattr(session, "items", ()) if isinstance(item, CellItem)]
    if not chosen and not _is_controller(session.config):
        return None
    if not session.config.stash[_KEY].begin(chosen):
        return True
    _in_order(session.items, session.config.stash[_KEY].planned)
    return None


def _in_order(items: list[pytest.Item], names: Sequence[str]) -> None:
    """Let pytest report first what runs first. Items that are not in the plan stay where they are, at the end."""
    place = {name: number for number, name in enumerate(names)}
    items.sort(key=lambda item: place.get(item.name, len(place)))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the run, prove that nothing is left, and let pytest end with the harness's exit status."""
    state = session.config.stash.get(_KEY, None)
    if state is not None:
        status = state.end()
        if status is not None:
            session.exitstatus = _pytest_status(status)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The harness's own summary, after pytest's."""
    state = config.stash.get(_KEY, None)
    if state is not None:
        state.show()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the run's id and seed to an xdist worker, and give it time to shut down."""
    node.workerinput["run_id"] = node.config.stash[_KEY].run_id
    node.workerinput["seed"] = node.config.stash[_KEY].asked.seed
    # After Ctrl-C, xdist would otherwise kill its workers while they remove their clusters.
    node.nodemanager.EXIT_TIMEOUT = _WORKER_END_SECONDS


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object | None) -> None:
    """Receive from an xdist worker what it left behind."""
    output = getattr(node, "workeroutput", {})
    node.config.stash[_KEY].hear(output.get(_LEAKS, []), output.get(_KEPT, []))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the cells of a group on one worker."""
    from xdist.scheduler import LoadScopeScheduling  # only where xdist is in use

    class GroupScheduling(LoadScopeScheduling):  # type: ignore[misc]
        """Schedules by environment and path."""

        def _split_scope(self, nodeid: str) -> str:
            return nodeid.rsplit("/", 1)[0]

    return GroupScheduling(config, log)


class Matrix(pytest.File):
    """The matrix as pytest collects it."""

    def collect(self) -> Iterator[pytest.Item]:
        """One item for each attempt at each chosen cell."""
        asked = self.config.stash[_KEY].asked
        beside = frozenset(asked.lock.watched if asked.lock else ())
        for number in range(1, asked.options.repeat + 1):
            for cell in asked.cells:
                attempt = Attempt(cell=cell, number=number, beside=beside)
                item = CellItem.from_parent(self, name=attempt.name, nodeid=attempt.name, attempt=attempt)
                for tag in cell.tags:
                    item.keywords[tag] = True
                yield item


class CellItem(pytest.Item):
    """One cell. Its set-up waits for the result and fails on host errors; its call fails if the product failed."""

    def __init__(self, *, attempt: Attempt, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.attempt = attempt
        self.result: CellResult | None = None

    def setup(self) -> None:
        """Wait for the cell's result."""
        session = self.config.stash[_KEY]
        try:
            self.result = session.result(self.attempt, self.session.items)
        except HarnessError as error:
            _without_traceback(_told(error))
        self.user_properties.append((_RESULT, self.result.model_dump_json()))
        if self.result.verdict is Verdict.ERROR:
            _without_traceback(session.describe(self.result))
        if self.result.verdict is Verdict.UNAVAILABLE:
            pytest.skip(f"unavailable: {self.result.reason}")

    def runtest(self) -> None:
        """Translate the verdict into pytest's outcome."""
        if self.result is None:
            _without_traceback(f"{self.name} has no result")
        if self.result.verdict is Verdict.FAILED:
            _without_traceback(self.config.stash[_KEY].describe(self.result))
        if self.result.verdict is Verdict.BROKEN_AS_KNOWN:
            pytest.xfail(self.result.reason)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The item's name in pytest's report. pytest mangles dots in the last part of a node id."""
        return self.path, None, f"cell {self.attempt.name}"


class Session:
    """The run behind a pytest session: all of it in a single process, or under xdist the controller's or a worker's
    part."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = getattr(config, "workerinput", None)
        self._options = run_options.read(config.option)
        self.asked = _understood(config) or setup.request(self._options)
        if self._worker:
            self.asked = replace(self.asked, seed=self._worker["seed"])
        self.run_id: str = self._worker["run_id"] if self._worker else new_run_id()
        self._console = wide_console()
        self._runner: Runner | None = None
        self._report: ReportWriter | None = None
        self._finished: RunResult | None = None
        self._error: HarnessError | None = None
        self._leaks: list[str] = []
        self._lock = threading.Lock()
        self._added: set[tuple[str, int]] = set()
        self._chosen = 0
        self._kept: list[Mapping[str, str]] = []
        self._handlers: dict[int, Any] = {}
        self._telling = threading.Lock()
        config.pluginmanager.register(_Listener(self), "cells-listener")

    def begin(self, chosen: Sequence[Attempt]) -> bool:
        """Inspect the host, open the report and start the clusters. False if that failed; `show` says why."""
        self._chosen = len(chosen)
        try:
            host = run_host.host(self.asked)
            reports = self.asked.settings.reports_dir
            self._report = ReportWriter(reports, self._empty_report(host, chosen), share=self._options.share)
            self._say(str(host.choice))
            for name, tool in host.tools.items():
                self._say(f"{name} {tool}")
            self._catch_sigterm()
            if not _is_controller(self._config):
                self._show_plan(self._open(self.run_id, host).start(chosen))
        except HarnessError as error:
            self._error = error
        except OSError as error:
            self._error = HostError(f"the run cannot start: {error}", "run `harness doctor`, and check HARNESS_CACHE")
        return self._error is None

    def result(self, attempt: Attempt, items: Sequence[pytest.Item]) -> CellResult:
        """Wait for a cell's result, starting its group if necessary. Raises HarnessError."""
        if self._error is not None:
            raise self._error
        runner = self._runner or self._open_worker()
        mates = [
            item.attempt
            for item in items
            if isinstance(item, CellItem)
            and (item.attempt.cell.group, item.attempt.number) == (attempt.cell.group, attempt.number)
        ]
        runner.start(mates)
        return runner.result(attempt)

    def hear(self, leaks: Sequence[str], kept: Sequence[Mapping[str, str]]) -> None:
        """Take over what an xdist worker reports when it ends."""
        self._leaks += leaks
        self._kept += kept

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
                self._leaks += self._runner.close()
            self._kept += [{key: str(value) for key, value in asdict(kept).items()} for kept in self._runner.kept]
        self._restore_sigterm()
        if self._worker is not None:
            cast(Any, self._config).workeroutput.update({_LEAKS: self._leaks, _KEPT: self._kept})
        if self._report is None:
            return self._error.exit_status if self._error and self._worker is None else None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        try:
            if self._runner is not None:
                self._report.plan(self._runner.plan)
            self._finished = self._report.finish(peak_memory_mib=peak, leaks=self._leaks)
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
        for kept in self._kept:
            self._console.print(f"\nCluster {kept['cluster']} was kept:")
            self._console.print(f"  export KUBECONFIG={kept['kubeconfig']}")
            if shutil.which("kubectl") is None:
                self._console.print(f"  kubectl:           {kept['kubectl']}")
            self._console.print(f"  shell:             {kept['look']}")
            self._console.print(f"  shell in its node: {kept['shell']}")
            self._console.print(f"  remove it:         {kept['remove']}")
        if self._error is not None:
            self._console.print(Text(_told(self._error), style="bold red"))

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
            return self._open(new_run_id(), run_host.host(self.asked))
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
            source=SourceResult(kind=host.choice.kind, why=host.choice.why),
            host=host.result,
            tools={name: str(tool) for name, tool in host.tools.items()},
            selection=tuple(run_options.words(self._options)),
            seed=self.asked.seed,
            planned=tuple(dict.fromkeys(planned)),
        )

    def _say(self, line: str) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if self._worker is not None or terminal is None:
            return
        # A line is written in two steps, and groups have threads of their own.
        with self._telling:
            terminal.write_line(f"[{datetime.now():%H:%M:%S}] {line}")

    def _catch_sigterm(self) -> None:
        def stop(number: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt(f"received {signal.Signals(number).name}")

        self._handlers[signal.SIGTERM] = signal.signal(signal.SIGTERM, stop)

    def _restore_sigterm(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()


class _Listener:
    """Receives every finished item, from this process or from an xdist worker."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the cell's result out of the item's last report."""
        if report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == _RESULT:
                self._session.add(CellResult.model_validate_json(str(value)))


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


def _understood(config: pytest.Config) -> setup.Request | None:
    """The request as parsed by `harness run`; None if pytest was called directly, or is a worker."""
    handed = [it.request for it in config.pluginmanager.get_plugins() if isinstance(it, setup.Understood)]
    return handed[0] if handed else None


def _is_controller(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None)) and not _is_worker(config)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _without_traceback(said: str) -> NoReturn:
    """Fail with the finding alone: a traceback through the harness would be of no use to the reader."""
    pytest.fail(said, pytrace=False)


def _told(error: HarnessError) -> str:
    return f"{type(error).__name__}: {error}"


def _pytest_status(status: int) -> int:
    """pytest has an exit code of its own for usage errors; its 2 means an interruption."""
    return int(pytest.ExitCode.USAGE_ERROR) if status == UsageError.exit_status else status
