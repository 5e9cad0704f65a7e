# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: cells as test items, with their id as node id. A thin adapter of harness.run.

`pytest -p harness.plugin clusters/environments.toml --env kind-1.34` collects cells from the matrix; -k, -x, --lf and
xdist (-n) work as with any test. Under xdist a worker runs whole groups, since their cells share a cluster; the
controller writes the report.
"""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, cast

import pytest
from rich.console import Console

from harness import __version__
from harness.errors import HarnessError
from harness.evidence.ledger import new_run_id
from harness.report import summary
from harness.report.history import History
from harness.report.model import CellResult, RunResult, SourceResult, exit_status
from harness.report.writer import ReportWriter
from harness.run import options as run_options
from harness.run import setup
from harness.run.group import Attempt
from harness.run.runner import Runner
from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

MATRIX_FILE = PROJECT_ROOT / "clusters" / "environments.toml"
"""The file from which cells are collected."""

_RESULT = "cell-result"
_KEY = pytest.StashKey["Session"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of `harness run`."""
    group = parser.getgroup("cells", "cells of the compatibility matrix")
    run_options.declare(group.addoption, (*run_options.SELECTION_OPTIONS, *run_options.RUN_OPTIONS))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Understand the request before anything is collected; what is wrong with it ends pytest with its exit status."""
    try:
        session = Session(config)
    except HarnessError as error:
        pytest.exit(f"{type(error).__name__}: {error}", returncode=error.exit_status)
    config.stash[_KEY] = session


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the matrix."""
    if file_path == MATRIX_FILE:
        return cast(pytest.Collector, Matrix.from_parent(parent, path=file_path))
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Start the run once it is known which cells were chosen."""
    if session.config.option.collectonly:
        return
    chosen = [item.attempt for item in getattr(session, "items", ()) if isinstance(item, CellItem)]
    if chosen or _is_controller(session.config):
        session.config.stash[_KEY].begin(chosen)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """End the run, prove that nothing is left, and let pytest end with the harness's exit status."""
    state = session.config.stash.get(_KEY, None)
    if state is not None:
        status = state.end()
        if status is not None:
            session.exitstatus = status


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The harness's own summary, after pytest's."""
    config.stash[_KEY].show()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell an xdist worker the name of the run."""
    node.workerinput["run_id"] = node.config.stash[_KEY].run_id


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
        for number in range(1, asked.options.repeat + 1):
            for cell in asked.cells:
                attempt = Attempt(cell=cell, number=number)
                item = CellItem.from_parent(self, name=attempt.name, nodeid=attempt.name, attempt=attempt)
                for tag in cell.tags:
                    item.keywords[tag] = True
                yield item


class CellItem(pytest.Item):
    """One cell. Set-up waits for its result and fails with an error of the host; the call fails with the product."""

    def __init__(self, *, attempt: Attempt, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.attempt = attempt
        self.result: CellResult | None = None

    def setup(self) -> None:
        """Wait for the cell's result."""
        session = self.config.stash[_KEY]
        self.result = session.result(self.attempt, self.session.items)
        self.user_properties.append((_RESULT, self.result.model_dump_json()))
        if self.result.verdict is Verdict.ERROR:
            raise CellError(session.describe(self.result))
        if self.result.verdict is Verdict.UNAVAILABLE:
            pytest.skip(f"unavailable: {self.result.reason}")

    def runtest(self) -> None:
        """Turn the verdict into pytest's outcome."""
        if self.result is None:
            raise CellError("the cell has no result")
        if self.result.verdict is Verdict.FAILED:
            raise CellFailed(self.config.stash[_KEY].describe(self.result))
        if self.result.verdict is Verdict.BROKEN_AS_KNOWN:
            pytest.xfail(self.result.reason)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The finding instead of a traceback, unless the harness itself broke."""
        if isinstance(excinfo.value, CellError | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        """How pytest names the item in its report. pytest mangles the dots of a name that ends its node id."""
        return self.path, None, f"cell {self.attempt.name}"


class CellError(Exception):
    """The cell has no verdict about the product."""


class CellFailed(CellError):
    """The product failed a check."""


class Session:
    """The run behind one pytest session: in one process both halves, under xdist the controller's or a worker's."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._worker = getattr(config, "workerinput", None)
        self.asked = setup.request(run_options.read(config.option))
        self.run_id: str = self._worker["run_id"] if self._worker else new_run_id()
        self._console = Console(soft_wrap=True, highlight=False)
        self._runner: Runner | None = None
        self._report: ReportWriter | None = None
        self._finished: RunResult | None = None
        self._error: HarnessError | None = None
        self._handlers: dict[int, Any] = {}
        config.pluginmanager.register(_Listener(self), "cells-listener")

    def begin(self, chosen: Sequence[Attempt]) -> None:
        """Look at the host, open the report, and start the clusters."""
        if self._config.option.collectonly or (not chosen and self._worker):
            return
        try:
            host = setup.host(self.asked)
            if self._worker is None:
                self._report = ReportWriter(self.asked.settings.reports_dir, self._empty_report(host, chosen))
                self._say(str(host.choice))
                for name, tool in host.tools.items():
                    self._say(f"{name} {tool.version} ({tool.origin})")
            if _is_controller(self._config):
                return
            self._catch_sigterm()
            worker_id = new_run_id() if self._worker else self.run_id
            self._runner = Runner(worker_id, self.asked, host, evidence_folder=self._evidence_folder, say=self._say)
            self._runner.open()
            if self._worker is None:
                self._runner.start(chosen)
        except HarnessError as error:
            self._error = error
            pytest.exit(f"{type(error).__name__}: {error}", returncode=error.exit_status)

    def result(self, attempt: Attempt, items: Sequence[pytest.Item]) -> CellResult:
        """Wait for a cell; its group is started if this process has not done so."""
        if self._runner is None:
            raise HarnessError("the run was not started")
        mates = [
            item.attempt
            for item in items
            if isinstance(item, CellItem)
            and (item.attempt.cell.group, item.attempt.number) == (attempt.cell.group, attempt.number)
        ]
        self._runner.start(mates)
        return self._runner.result(attempt)

    def add(self, result: CellResult) -> None:
        """Put a result into the report."""
        if self._report is None:
            return
        if result.evidence:
            result = result.model_copy(update={"evidence": self._report.relative(Path(result.evidence))})
        self._report.add(result)

    def end(self) -> int | None:
        """Tear everything down and close the report; returns the exit status, None for a worker or an empty session."""
        leaks: list[str] = []
        if self._runner is not None:
            with _Undisturbed():
                leaks = self._runner.close()
        self._restore_sigterm()
        if self._report is None:
            return self._error.exit_status if self._error else None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        self._finished = self._report.finish(peak_memory_mib=peak, leaks=leaks)
        History(self.asked.settings.cache_dir / "history.json").record(self._finished.cells)
        return self._error.exit_status if self._error else exit_status(self._finished)

    def show(self) -> None:
        """Print the run's summary."""
        if self._finished is None or self._report is None:
            return
        summary.terminal(self._finished, self._console, self._report.folder)
        for kept in self._runner.kept if self._runner else []:
            self._console.print(f"\nCluster {kept.cluster} was kept:")
            self._console.print(f"  export KUBECONFIG={kept.kubeconfig}")
            self._console.print(f"  shell in its node: {kept.shell}")
            self._console.print(f"  remove it:         {kept.remove}")

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

    def _evidence_folder(self, attempt: Attempt) -> Path:
        name = attempt.cell.id if attempt.number == 1 else f"{attempt.cell.id}.attempt-{attempt.number}"
        return self.asked.settings.reports_dir / self.run_id / name

    def _empty_report(self, host: setup.Host, chosen: Sequence[Attempt]) -> RunResult:
        planned = [attempt.cell.id for attempt in chosen] or [cell.id for cell in self.asked.cells]
        return RunResult(
            run_id=self.run_id,
            started=datetime.now(UTC),
            harness_version=__version__,
            source=SourceResult(kind=host.choice.kind, why=host.choice.why),
            host=host.result,
            tools={name: f"{tool.version} ({tool.origin})" for name, tool in host.tools.items()},
            selection=tuple(run_options.words(self.asked.options)),
            planned=tuple(dict.fromkeys(planned)),
        )

    def _say(self, line: str) -> None:
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if self._worker is None and terminal is not None:
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
    """Hears of every finished item, in this process or from an xdist worker."""

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
    """Keeps SIGINT and SIGTERM away from the block: a second Ctrl-C must not stop the clean-up."""

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @staticmethod
    def _note(number: int, frame: FrameType | None) -> None:
        os.write(2, b"still cleaning up; please wait\n")


def _is_controller(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None)) and not hasattr(config, "workerinput")
