# SPDX-License-Identifier: Apache-2.0
"""Runs groups of cells beside each other and hands out the results as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from harness import process, waiting
from harness.errors import HarnessError
from harness.evidence.ledger import cluster_name
from harness.evidence.remains import look
from harness.report.model import CellResult
from harness.run.group import Attempt, Group, Kept
from harness.run.resources import Resources
from harness.run.setup import Host, Request

_POLL_SECONDS = 0.5


class Runner:
    """A run's groups. `open` first, `close` always; `result` waits for one cell."""

    def __init__(
        self,
        run_id: str,
        asked: Request,
        host: Host,
        *,
        evidence_folder: Callable[[Attempt], Path],
        say: Callable[[str], None],
    ) -> None:
        self.run_id = run_id
        self._asked = asked
        self._host = host
        self._evidence_folder = evidence_folder
        self._say = say
        self._resources = Resources(run_id, asked, host, say)
        self._pool = ThreadPoolExecutor(asked.settings.jobs, "clusters")
        # All clusters share this host's processors, however many there are.
        self._slots = threading.Semaphore(asked.settings.app_slots)
        self._results: dict[str, Future[CellResult]] = {}
        self._groups: list[Group] = []
        self._running: list[Future[None]] = []
        self._lock = threading.Lock()
        self._closed = False

    def open(self) -> None:
        """Make what all groups share. Raises HarnessError; `close` is needed then too."""
        waiting.reset_cancellation()
        self._resources.open()

    def start(self, attempts: Iterable[Attempt]) -> None:
        """Start the groups of these attempts, as many at a time as --jobs says; known ones are not started again."""
        with self._lock:
            fresh: dict[tuple[str, int], list[Attempt]] = {}
            for attempt in attempts:
                if attempt.name not in self._results:
                    self._results[attempt.name] = Future()
                    fresh.setdefault((attempt.cell.group, attempt.number), []).append(attempt)
            for (name, number), members in fresh.items():
                group = Group(
                    name if number == 1 else f"{name}#{number}",
                    members,
                    cluster_name=cluster_name(self.run_id, len(self._groups) + 1),
                    asked=self._asked,
                    host=self._host,
                    resources=self._resources,
                    evidence_folder=self._evidence_folder,
                    done=self._done,
                    say=self._say,
                    slots=self._slots,
                )
                self._groups.append(group)
                self._running.append(self._pool.submit(group.run))

    def result(self, attempt: Attempt) -> CellResult:
        """Wait for a cell. Raises HarnessError when the run ended without it."""
        future = self._results[attempt.name]
        while True:
            # A short wait, so that Ctrl-C reaches the waiting thread.
            try:
                return future.result(timeout=_POLL_SECONDS)
            except TimeoutError:
                if all(running.done() for running in self._running) and not future.done():
                    raise HarnessError(f"{attempt.name} was not run: the run was ended") from None

    def close(self) -> list[str]:
        """End what still runs, remove what was made, and return what is left in words (empty: nothing leaked)."""
        if self._closed:
            return []
        self._closed = True
        # First, so that no waiting group begins when those that run give up their place.
        self._pool.shutdown(wait=False, cancel_futures=True)
        # A group whose cells all have their results is only removing its cluster, and must get to the end of it.
        if not all(result.done() for result in self._results.values()):
            waiting.cancel_all()
            process.end_all()
        problems: list[str] = []
        with ThreadPoolExecutor(1, "registries") as beside:
            # Nothing pulls any more; the registries go while the last clusters are being removed.
            released = None if self._asked.options.keep else beside.submit(self._resources.release_registries)
            self._pool.shutdown(wait=True, cancel_futures=True)
            try:
                if released is not None:
                    released.result()
            except HarnessError as error:
                problems.append(error.message)
        waiting.reset_cancellation()
        keep = bool(self.kept)
        entries = self._resources.ledger.open_entries() if self._resources.ledger else []
        try:
            self._resources.close(keep=keep)
        except HarnessError as error:
            problems.append(error.message)
        if keep:
            return problems
        survey = look(self.run_id, entries)
        return [*problems, *(str(remain) for remain in survey.remains), *survey.unseen]

    @property
    def kept(self) -> list[Kept]:
        """The clusters that were left up."""
        return [group.kept for group in self._groups if group.kept]

    def _done(self, result: CellResult) -> None:
        name = result.id if result.attempt == 1 else f"{result.id}#{result.attempt}"
        self._results[name].set_result(result)
