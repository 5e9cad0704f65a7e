# SPDX-License-Identifier: Apache-2.0
"""The pytest plugin: cells as test items, with their id as node id. A thin adapter of harness.run.

`pytest -p harness.plugin clusters/environments.toml --env kind-1.34` collects cells from the matrix; -k, -x, --lf and
xdist (-n) work as with any test. Under xdist a worker runs whole groups, since their cells share a cluster; the
controller writes the report.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest

from harness import options as run_options
from harness.errors import HarnessError, UsageError
from harness.parser import Beside
from harness.redaction.redactor import Redactor
from harness.report.model import CellResult
from harness.run import setup
from harness.run.attempt import Attempt
from harness.run.session import Session, line_of
from harness.settings import PROJECT_ROOT
from harness.verdicts import Verdict

MATRIX_FILE = PROJECT_ROOT / "clusters" / "environments.toml"
"""The file from which cells are collected."""

_OPTIONS = (*run_options.SELECTION_OPTIONS, *run_options.OF_PYTEST)
_RESULT = "cell-result"
_LEAKS = "cells-leaks"
_KEPT = "cells-kept"
_WORKER_END_SECONDS = 60.0
_KEY = pytest.StashKey["Session"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of `harness run`."""
    group = parser.getgroup("cells", "cells of the compatibility matrix")
    run_options.declare(group.addoption, _OPTIONS)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Parse the request before anything is collected; an invalid one ends pytest with its exit status."""
    try:
        understood = _understood(config)
        session = Session(
            understood.request if understood else setup.request(_asked(config)),
            say=_Terminal(config).say,
            host=understood.host if understood else None,
            worker=getattr(config, "workerinput", None),
            has_workers=_is_controller(config),
        )
    except HarnessError as error:
        pytest.exit(line_of(error), returncode=_pytest_status(error.exit_status))
    config.stash[_KEY] = session
    config.pluginmanager.register(_Listener(session), "cells-listener")


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
        if _is_worker(session.config):
            cast(Any, session.config).workeroutput.update({_LEAKS: state.leaks, _KEPT: state.kept})
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
            self.result = session.result(self.attempt, self._mates())
        except HarnessError as error:
            _without_traceback(line_of(error))
        self.user_properties.append((_RESULT, self.result.model_dump_json()))
        if self.result.verdict is Verdict.ERROR:
            _without_traceback(session.describe(self.result))
        if self.result.verdict is Verdict.UNAVAILABLE:
            pytest.skip(f"unavailable: {self.result.reason}")

    def _mates(self) -> list[Attempt]:
        """The chosen cells that run on the same cluster, this one among them."""
        group = (self.attempt.cell.group, self.attempt.number)
        chosen = [item.attempt for item in self.session.items if isinstance(item, CellItem)]
        return [it for it in chosen if (it.cell.group, it.number) == group]

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


class _Terminal:
    """Writes lines between those of pytest; a worker of xdist has no terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._lock = threading.Lock()

    def say(self, line: str) -> None:
        """Write a line with the time, without its secrets."""
        terminal = self._config.pluginmanager.getplugin("terminalreporter")
        if _is_worker(self._config) or terminal is None:
            return
        # A line is written in two steps, and groups have threads of their own.
        with self._lock:
            terminal.write_line(f"[{datetime.now():%H:%M:%S}] {Redactor().text(line)}")


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


def _asked(config: pytest.Config) -> run_options.RunOptions:
    """The options of pytest called directly. Raises UsageError for what the command refuses of them: one that is given
    twice on the command line, an odd number, an empty value. One of the command line may differ from addopts.
    """
    again = Beside()
    run_options.declare(again.add_argument, _OPTIONS)
    again.parse_known_args(config.invocation_params.args)
    for option in _OPTIONS:
        found = getattr(config.option, option.dest)
        if any(isinstance(it, str) and not it.strip() for it in (found if isinstance(found, list) else [found])):
            raise UsageError(f"{option.flag} has an empty value", "give one, or leave the option out")
    return run_options.read(config.option)


def _understood(config: pytest.Config) -> setup.Understood | None:
    """The request as parsed by `harness run`; None if pytest was called directly, or is a worker."""
    handed = [it for it in config.pluginmanager.get_plugins() if isinstance(it, setup.Understood)]
    return handed[0] if handed else None


def _is_controller(config: pytest.Config) -> bool:
    return bool(getattr(config.option, "numprocesses", None)) and not _is_worker(config)


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _without_traceback(message: str) -> NoReturn:
    """Fail with the finding alone: a traceback through the harness would be of no use to the reader."""
    pytest.fail(Redactor().text(message), pytrace=False)


def _pytest_status(status: int) -> int:
    """pytest has an exit code of its own for usage errors; its 2 means an interruption."""
    return int(pytest.ExitCode.USAGE_ERROR) if status == UsageError.exit_status else status
