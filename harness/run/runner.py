# SPDX-License-Identifier: Apache-2.0
"""Runs groups of cells beside each other and hands out the results as they come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from harness import children, waiting
from harness.bootstrap.remainder import Remainder
from harness.checks.infrastructure import Cause
from harness.cleanup.remains import look
from harness.errors import HarnessError
from harness.evidence.ledger import cluster_name
from harness.matrix.under_test import published, published_paths
from harness.report.model import CellResult, PlannedCluster
from harness.run import handover, plan
from harness.run.attempt import Attempt, Kept
from harness.run.budget import Budget, Claim
from harness.run.group import Group
from harness.run.handover import Spare
from harness.run.refusal import refused
from harness.run.resources import Resources
from harness.run.run_host import Host
from harness.run.setup import Request
from harness.run.turns import Turns

_POLL_SECONDS = 0.5
_BY_LOAD = frozenset({Cause.OWN_LOAD.value, Cause.HOST_BUSY.value})
"""What spoils a try that had too little of the processors."""


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
        expect: plan.Expect,
        done: Callable[[CellResult], None] = lambda result: None,
    ) -> None:
        """`done` hears of each result at once, in the thread of its group."""
        self.run_id = run_id
        self._tell = done
        self._expect = expect
        self._began = time.monotonic()
        self._plan: dict[str, PlannedCluster] = {}
        self._asked = asked
        self._host = host
        self._evidence_folder = evidence_folder
        self._say = say
        self._resources = Resources(run_id, asked, host, say)
        self._pool = ThreadPoolExecutor(asked.settings.jobs, "clusters")
        self._results: dict[str, Future[CellResult]] = {}
        self._groups: list[Group] = []
        self._following: dict[str, Group] = {}
        self._remainder = Remainder(asked.settings, config=asked.options.config, say=say)
        self._budget = Budget.of(asked.settings, host.processors(asked.settings), host.load)
        self._turns: Turns[Group] = Turns(
            self._budget,
            ready=lambda group: self._remainder.ready(group.attempts[0].cell.group),
            waits=lambda group, why: say(f"{group.name}: {why}"),
        )
        self._trouble: HarnessError | None = None
        self._running: list[Future[None]] = []
        self._lock = threading.Lock()
        self._closed = False

    def open(self) -> None:
        """Make what all groups share. Raises HarnessError; `close` is needed then too."""
        waiting.reset_cancellation()
        self._resources.open()

    def start(self, attempts: Iterable[Attempt]) -> list[PlannedCluster]:
        """Start the groups of these attempts, as many at a time as --jobs says; returns the plan of what was started.

        Attempts that were started before are left out.
        """
        with self._lock:
            fresh = []
            for attempt in attempts:
                if attempt.name not in self._results:
                    self._results[attempt.name] = Future()
                    fresh.append(attempt)
            jobs = self._asked.settings.jobs
            if self._asked.options.bootstrap and self._host.choice.kind == "foundry":
                self._make_what_lacks(fresh)
            there = self._in_reach(fresh)
            groups = plan.ordered(
                plan.grouped(there, share=not self._asked.options.fresh), jobs=jobs, expect=self._expect
            )
            after = self._after(groups) if jobs == 1 else {}
            made = [self._group(members, followed=number in after) for number, members in enumerate(groups)]
            planned = self._planned(groups, made, jobs=jobs)
            self._plan.update({it.cluster: it for it in planned})
            self._following.update({made[one].plan_name: made[other] for one, other in after.items()})
            heads = [group for number, group in enumerate(made) if number not in after.values()]
            self._turns.add((group, plan.processors(group.attempts), group.name) for group in heads)
            self._running += [self._pool.submit(self._run_next) for _ in heads]
            return planned

    def _after(self, groups: Sequence[Sequence[Attempt]]) -> dict[int, int]:
        """Which group comes on the cluster of which other, by their numbers: each after the last one of its edge.

        Only where one runs at a time: beside each other they would need two clusters.
        """
        options = self._asked.options
        if options.keep or options.fresh or options.bootstrap or self._asked.existing is not None:
            return {}
        found: dict[int, int] = {}
        last: dict[object, int] = {}
        for number, members in enumerate(groups):
            edge = handover.family(members)
            if edge is not None:
                if edge in last:
                    found[last[edge]] = number
                last[edge] = number
        return found

    def _make_what_lacks(self, attempts: Sequence[Attempt]) -> None:
        """Let a bootstrap beside the run make what these lack; who lacks nothing begins at once."""
        cells = {attempt.cell.group: attempt.cell for attempt in attempts}
        release = self._asked.catalogue.release
        wanted = {
            name: (it.environment, [*map(release, published(self._asked.catalogue, it.path.releases))])
            for name, it in cells.items()
        }
        paths = [path for it in cells.values() for path in published_paths(self._asked.catalogue, it.path)]
        if wanted:
            self._remainder.make(wanted, paths=paths)

    def _in_reach(self, attempts: Sequence[Attempt]) -> list[Attempt]:
        """Those whose images the source has, or has once they are made; the others have their result already.

        Those that can do without some images come without them.
        """
        asked = [attempt for attempt in attempts if self._remainder.ready(attempt.cell.group)]
        refusals = self._resources.refusals([attempt.cell for attempt in asked])
        for attempt in asked:
            if attempt.cell.id in refusals:
                finding = refusals[attempt.cell.id]
                self._done(refused(attempt, finding, self._asked, self._host, self._resources, self._say))
        without = self._resources.preflight.without_absent
        return [replace(it, cell=without(it.cell)) for it in attempts if it.cell.id not in refusals]

    @property
    def plan(self) -> tuple[PlannedCluster, ...]:
        """What was planned, with what came of it so far."""
        with self._lock:
            return tuple(self._plan.values())

    @property
    def operator_changes(self) -> Mapping[str, tuple[str, ...]]:
        """By release, how the chart of the operator under test differs from that one's."""
        return self._resources.operator_changes

    def _group(
        self,
        members: Sequence[Attempt],
        *,
        followed: bool = False,
        spare: Spare | None = None,
        plan_name: str = "",
    ) -> Group:
        """A group of its own cluster, or of one that another has left clean. Only under the lock."""
        first = members[0]
        group = Group(
            first.cell.group if first.number == 1 else f"{first.cell.group}#{first.number}",
            members,
            cluster_name=spare.cluster.name if spare else cluster_name(self.run_id, len(self._groups) + 1),
            asked=self._asked.on(first.cell.path),
            host=self._host,
            resources=self._resources,
            evidence_folder=self._evidence_folder,
            done=self._done,
            say=self._say,
            budget=self._budget,
            plan_name=plan_name,
            spare=spare,
            followed=followed,
        )
        self._groups.append(group)
        return group

    def _run_next(self) -> None:
        try:
            with self._turns.next() as turn:
                if turn is not None:
                    self._run(turn.each, turn.claim)
        except HarnessError as error:
            self._trouble = error

    def _run(self, group: Group, claim: Claim) -> None:
        """Run a group, then what it handed back, on another cluster; each cluster ends with fewer cells to go."""
        self._note(group, started=self._now())
        group.run(claim)
        self._note(group, ended=self._now())
        if group.again and not waiting.cancelled():
            with self._lock:
                following = self._group(group.again)
                first = group.again[0]
                (planned,) = self._planned([group.again], [following], jobs=1)
                why = first.retries[-1].message if first.retries else f"{group.cluster_name} was not left clean"
                self._plan[planned.cluster] = planned.model_copy(update={"starts": round(self._now(), 1), "why": why})
            if any(it.retries and it.retries[-1].cause in _BY_LOAD for it in group.again):
                # Beside others it would come to the same once more.
                self._budget.exchange(claim, self._budget.processors, lambda why: self._say(f"{following.name}: {why}"))
            self._run(following, claim)
        after = self._following.pop(group.plan_name, None)
        if after is not None:
            self._run(self._on_spare(after, group.spare), claim)

    def _on_spare(self, group: Group, spare: Spare | None) -> Group:
        """The group on a cluster that is clean; without one, on its own."""
        if spare is None:
            return group
        with self._lock:
            followed = group.plan_name in self._following
            return self._group(group.attempts, followed=followed, spare=spare, plan_name=group.plan_name)

    def _planned(
        self, groups: Sequence[Sequence[Attempt]], made: Sequence[Group], *, jobs: int
    ) -> list[PlannedCluster]:
        return plan.planned(
            groups,
            names=[group.cluster_name for group in made],
            jobs=jobs,
            budget=self._budget.processors,
            expect=self._expect,
        )

    def _note(self, group: Group, **times: float) -> None:
        with self._lock:
            known = self._plan[group.plan_name]
            rounded = {name: round(seconds, 1) for name, seconds in times.items()}
            self._plan[group.plan_name] = known.model_copy(update=rounded)

    def _now(self) -> float:
        return time.monotonic() - self._began

    def result(self, attempt: Attempt) -> CellResult:
        """Wait for a cell. Raises HarnessError when the run ended without it."""
        future = self._results[attempt.name]
        while True:
            # A short wait, so that Ctrl-C reaches the waiting thread.
            try:
                return future.result(timeout=_POLL_SECONDS)
            except TimeoutError:
                if all(running.done() for running in self._running) and not future.done():
                    raise self._trouble or HarnessError(f"{attempt.name} was not run: the run was ended") from None

    def close(self) -> list[str]:
        """End what still runs, remove what was made, and return what is left in words (empty: nothing leaked)."""
        if self._closed:
            return []
        self._closed = True
        self._remainder.close()
        # First, so that no waiting group begins when those that run give up their place.
        self._turns.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        # A group whose cells all have their results is only removing its cluster, and must get to the end of it.
        if not all(result.done() for result in self._results.values()):
            waiting.cancel_all()
            children.end_all()
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
        problems += self._resources.leaks_in_cluster()
        keep = bool(self.kept)
        entries = self._resources.ledger.to_prove() if self._resources.ledger else []
        try:
            self._resources.close(keep=keep)
        except HarnessError as error:
            problems.append(error.message)
        if keep:
            return problems
        survey = look(self.run_id, entries, used_engine=self._asked.existing is None)
        return [*problems, *(str(remain) for remain in survey.remains), *survey.unseen]

    @property
    def kept(self) -> list[Kept]:
        """The clusters that were left up."""
        return [group.kept for group in self._groups if group.kept]

    def _done(self, result: CellResult) -> None:
        try:
            self._tell(result)
        finally:
            self._results[result.name].set_result(result)
