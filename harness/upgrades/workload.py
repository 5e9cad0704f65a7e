# SPDX-License-Identifier: Apache-2.0
"""The applications that are there before an upgrade, come in the middle of it, and are new after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from harness.apps import samples
from harness.apps.logs import announced, pod_log
from harness.apps.objects import APPLICATION, SCHEDULED, Objects
from harness.apps.places import places
from harness.apps.states import State
from harness.errors import ApiError, HarnessError, WaitTimeout
from harness.matrix.facts import SUSPEND
from harness.matrix.release import Release
from harness.upgrades import assembling, clients
from harness.upgrades.application_states import ApplicationStates
from harness.upgrades.creations import Creations, renamed, words_of
from harness.upgrades.last_words import heard, warned
from harness.upgrades.quiet import Quiet
from harness.upgrades.recorder import Recorder
from harness.upgrades.room import Room, at_once
from harness.upgrades.submitter import Submitter
from harness.upgrades.user_apps import NAMESPACES, RUNNING_APPS, SCHEDULES, SUBMISSIONS, Users, own
from harness.upgrades.workload_context import WorkloadContext
from harness.upgrades.workload_seen import NEW_CONNECT, Part, Query, When, WorkloadSeen
from harness.waiting import until

_CONNECT_CRD = "sparkconnects.sparkoperator.k8s.io"

_SUBMIT_EVERY = 12.0
"""Seconds. An application costs about a dozen of one processor, its submission included."""

_MOST_UNDER_WAY = 3
"""A change of leaders, about 20 s, finds so many waiting. What the new leader has to submit at once decides how long a
path takes."""

_START_SECONDS = 20.0
"""A submission and the start of a driver on a small machine take no longer, mostly."""

_BEGIN_SECONDS = 240.0
_FINISH_SECONDS = 300.0
_QUERY_SECONDS = 240.0
"""About twice what a machine with two slow processors takes; what ends in time does not cost more."""

_STILL_SECONDS = 45.0
"""When nothing at all has changed for so long, nothing more will come."""

_SUSPENDED_SECONDS = 60.0
_FIRST_RETRY = 45
_RETRY_PER_MOVE = 60
_RETRY_PER_HOOK = 45
"""Seconds until the retrying application is due: soon after a new leader leads after the last move. A move takes a
dozen, and a hook most of a minute."""

_SCHEDULE_EVERY, _NEW_SCHEDULE_EVERY = 20, 8


class MoveSpan(Protocol):
    """When a move began and ended."""

    @property
    def began(self) -> datetime:
        """UTC."""

    @property
    def ended(self) -> datetime:
        """UTC."""


@dataclass
class _Notes:
    """What the workload itself has to tell."""

    waited: list[str] = field(default_factory=list)
    trouble: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    queries: dict[str, list[Query]] = field(default_factory=dict)
    output: dict[str, tuple[str, ...]] = field(default_factory=dict)
    suspended: dict[str, datetime] = field(default_factory=dict)
    """Of schedules by name."""


class Workload:
    """begin, then during … settle around the moves (between them `between`), finish, close.

    What the product refuses or lets wait is noted for the claims. Raises Cancelled; ApiError when
    the API server is away while there is no move that could be the reason.
    """

    def __init__(self, ctx: WorkloadContext) -> None:
        self._ctx = ctx
        self._creations = Creations()
        names = (*NAMESPACES, *(it.namespace for it in places(ctx.user_apps)))
        self._recorder = Recorder(ctx.cluster, names)
        self._api = ctx.cluster.api_client()
        self._objects = {name: Objects(self._api, name) for name in names}
        self._users = Users(ctx.user_apps, self._objects, self._creations, self._recorder, account=ctx.service_account)
        self._states = ApplicationStates(self._recorder, self._creations, self._users)
        self._submitter: Submitter | None = None
        self._notes = _Notes()
        self._from = datetime.now(UTC)

    def begin(self) -> None:
        """Create what must be there before, and wait until each is in its state."""
        self._from = datetime.now(UTC)
        self._recorder.start(connect=_CONNECT_CRD in self._ctx.releases[0].crds)
        completed = partial(self._states.is_in, "completed", State.COMPLETED)
        ready: dict[str, Callable[[], bool]] = {"the completed application to be COMPLETED": completed}
        with self._phase("begin"), ThreadPoolExecutor(1, "connect-query") as beside:
            # The schedule first, since its first run takes the longest to come.
            if "schedules" in self._ctx.watched:
                every = {"smallScheduled": {"everySeconds": _SCHEDULE_EVERY}}
                self._create(SCHEDULES, "small-scheduled", Part.RUN, When.BEFORE, every)
                ready["the first scheduled run"] = lambda: bool(self._states.runs("small-scheduled"))
            asked = self._begin_standing(beside) if "standing" in self._ctx.watched else None
            self._create(RUNNING_APPS, "small", Part.ENDED, When.BEFORE, name="completed")
            self._submit_users(When.BEFORE)
            if "standing" in self._ctx.watched:
                ready["the long application's executor to run"] = self._states.executor_runs
                self._wait(ready, _BEGIN_SECONDS)
                self._result(asked)
                # Once all else is there: its retry is to be due after the move, on slow hosts, too.
                self._create(RUNNING_APPS, "late-retry", Part.RETRYING, When.BEFORE, self._retry_after())
                if all(release.has(SUSPEND) for release in self._ctx.releases):
                    self._suspend()
                else:
                    self._notes.absent["suspended"] = "not every release of the path has spec.suspend"
                ready["the retrying application to wait"] = lambda: self._states.is_in("late-retry", State.FAILING)
            self._wait({**ready, **self._users.under_way(When.BEFORE)}, _BEGIN_SECONDS)
            if "standing" in self._ctx.watched:
                self._tell_retry()

    def _begin_standing(self, beside: ThreadPoolExecutor) -> Future[None] | None:
        """Create those that stay; the Connect server is asked `beside`."""
        asked = None
        if all(_CONNECT_CRD in release.crds for release in self._ctx.releases):
            self._create(RUNNING_APPS, "spark-connect", Part.ENDED, When.BEFORE)
            asked = beside.submit(self._ask_connect, RUNNING_APPS, "spark-connect", When.BEFORE)
        else:
            self._notes.absent["connect"] = "not every release of the path has SparkConnect"
        self._create(RUNNING_APPS, "long", Part.LONG, When.BEFORE)
        return asked

    def _submit_users(self, when: When) -> None:
        """Submit those of the user, which may take as long as the path has time for them."""
        seconds = _START_SECONDS * len(self._ctx.user_apps)
        self._users.submit(when, min(seconds, max(0.0, self._ctx.deadline.left / 3)))

    def _retry_after(self) -> dict[str, object]:
        per_hook = _RETRY_PER_HOOK if self._ctx.crds == "hook" else 0
        seconds = _FIRST_RETRY + _RETRY_PER_MOVE * (self._ctx.moves - 1) + per_hook * self._ctx.moves
        # The operator counts from the submission (v2.5.2, pkg/util/sparkapplication.go), and slow hosts take long.
        return {"lateRetrySeconds": seconds + round(self._states.seconds_of("completed"))}

    def during(self) -> None:
        """Begin to submit small applications, until `settle`, where somebody judges them."""
        if "submissions" not in self._ctx.watched:
            return
        rendering = self._ctx.rendering(SUBMISSIONS)
        small = samples.render(rendering, "small")
        self._submitter = Submitter(
            self._ctx.cluster,
            SUBMISSIONS,
            small,
            self._creations,
            interval=_SUBMIT_EVERY,
            under_way=self._states.small_under_way,
            most=min(_MOST_UNDER_WAY, at_once()),
        )
        self._submitter.start()

    def between(self, now: Release, following: Release) -> None:
        """What has to be made between two moves: an application that a newer release suspends before it goes.

        Where the CRDs stayed those of a release without spec.suspend, the API server drops it.
        """
        stored = self._ctx.crds not in ("none", "create") or self._ctx.releases[0].has(SUSPEND)
        if (
            stored
            and "standing" in self._ctx.watched
            and now.has(SUSPEND)
            and not following.has(SUSPEND)
            and self._states.application("suspended") is None
        ):
            self._suspend()
            del self._notes.absent["suspended"]

    def settle(self) -> None:
        """Submit no more."""
        if self._submitter is not None:
            self._submitter.stop()

    def finish(self, times: Sequence[MoveSpan], leads: Release) -> WorkloadSeen:
        """Let all come to its end, create what is new under the release that leads now, and tell what was seen."""
        over: dict[str, Callable[[], bool]] = {"every application to end": self._states.all_ended}
        with self._phase("finish"), ThreadPoolExecutor(4, "beside") as beside:
            fired: list[Future[None]] = []
            if "schedules" in self._ctx.watched:
                fired.append(beside.submit(self._fire_until, "small-scheduled", self._states.has_history))
            asked = [beside.submit(self._ask_connect, *of) for of in self._servers_after(leads)]
            room = Room(self._states.starting, Quiet(self._recorder).seconds, at_once())
            room.wait()
            sample, name = ("spark-pi", "new-pi") if "submissions" in self._ctx.watched else ("small", "new-small")
            self._create(SUBMISSIONS, sample, Part.NEW, When.AFTER, name=name)
            if "schedules" in self._ctx.watched:
                room.wait()
                every = {"smallScheduled": {"everySeconds": _NEW_SCHEDULE_EVERY}}
                self._create(SCHEDULES, "small-scheduled", Part.NEW, When.AFTER, every, name="new-scheduled")
                fired.append(beside.submit(self._fire_until, "new-scheduled", self._states.runs))
                over["a run of the new schedule to end"] = lambda: self._states.run_ended("new-scheduled")
            room.wait()
            self._let_go()
            if self._ctx.user_apps:
                self._let_answer(asked)
            self._submit_users(When.AFTER)
            if NEW_CONNECT not in self._notes.absent:
                over["the new SparkConnect to be Ready"] = lambda: self._states.server_ready(NEW_CONNECT)
            self._wait({**over, **self._users.under_way(When.AFTER)}, _FINISH_SECONDS + self._ctx.longer)
            for future in asked:
                self._result(future)
            for done in fired:
                done.result()
            self._read_output()
        told = self._tell(times)
        self._recorder.end()
        return told

    def close(self) -> None:
        """End all threads. The objects stay."""
        self.settle()
        self._recorder.stop()
        self._api.close()  # type: ignore[no-untyped-call]

    def _servers_after(self, leads: Release) -> Iterator[tuple[str, str, When]]:
        """Connect servers to be asked after the moves: the one that was there, and a new one.

        Whether one is accepted is asked wherever the last release has it; whether it gets Ready, of one that leads.
        """
        if self._states.server("spark-connect") is not None:
            yield RUNNING_APPS, "spark-connect", When.AFTER
        if "submissions" in self._ctx.watched and _CONNECT_CRD in self._ctx.releases[-1].crds:
            self._recorder.watch_connects()
            self._create(SUBMISSIONS, "spark-connect", Part.NEW, When.AFTER, name=NEW_CONNECT)
            if _CONNECT_CRD not in leads.crds:
                self._notes.absent[NEW_CONNECT] = f"{leads.name} leads, which has no SparkConnect"
            elif self._states.server("spark-connect") is None:
                yield SUBMISSIONS, NEW_CONNECT, When.AFTER

    def _suspend(self) -> None:
        rendering = self._ctx.rendering(RUNNING_APPS)
        manifests = renamed(samples.render(rendering, "small"), "suspended", suspend=True)
        objects = self._objects[RUNNING_APPS]
        if self._creations.create(objects, manifests, Part.SUSPENDED, When.BEFORE) is not None:
            self._wait(
                {"the suspended application to be SUSPENDED": lambda: self._states.is_in("suspended", State.SUSPENDED)},
                _SUSPENDED_SECONDS,
            )

    def _tell_retry(self) -> None:
        """From now on the retrying application will succeed when it is tried again."""
        told = {"data": {"status": "0"}}
        self._objects[RUNNING_APPS].core.patch_namespaced_config_map("late-retry-told", RUNNING_APPS, told)

    def _let_go(self) -> None:
        """Resume the suspended application, and tell the long one to end."""
        suspended, long = self._states.application("suspended"), self._states.application("long")
        if suspended is not None:
            try:
                self._objects[RUNNING_APPS].patch(APPLICATION, suspended.name, {"spec": {"suspend": False}})
            except ApiError as refused:
                self._notes.trouble.append(f"the suspended application could not be resumed: {words_of(refused)}")
        if long is not None and long.looks and long.looks[-1].state is State.RUNNING:
            driver = (long.raw.get("status") or {}).get("driverInfo", {}).get("podName", "")
            try:
                clients.let_end(self._ctx.cluster, RUNNING_APPS, driver)
            except HarnessError as unheard:
                self._notes.trouble.append(unheard.message)

    def _fire_until(self, name: str, shown: Callable[[str], object]) -> None:
        """Suspend a schedule that has shown what it is there for: its runs would slow down all that is to end.

        From a thread of its own.
        """
        if not self._states.was_created(name):
            return
        self._wait({f"the schedule {name} to show what it is there for": lambda: bool(shown(name))}, _FINISH_SECONDS)
        self._notes.suspended[name] = datetime.now(UTC)
        try:
            with self._ctx.cluster.api_client() as api:
                Objects(api, SCHEDULES).patch(SCHEDULED, name, {"spec": {"suspend": True}})
        except ApiError as refused:
            del self._notes.suspended[name]
            self._notes.trouble.append(f"the schedule {name} could not be suspended: {words_of(refused)}")

    def _ask_connect(self, namespace: str, name: str, when: When) -> None:
        """Ask a server; from a thread of its own. The client starts as soon as there is a Service to wait at."""

        def service_of() -> str:
            return str(((self._states.server(name) or {}).get("server") or {}).get("serviceName", ""))

        self._wait({f"SparkConnect {name} to have a Service": lambda: bool(service_of())}, _BEGIN_SECONDS)
        service = service_of()
        if not service:
            return
        with self._ctx.cluster.api_client() as api:
            answer = clients.query(
                Objects(api, namespace), self._ctx.rendering(namespace), name, service, when, timeout=_QUERY_SECONDS
            )
        self._notes.queries.setdefault(name, []).append(answer)

    def _let_answer(self, asked: Sequence[Future[None]]) -> None:
        """Leave the processors to clients of SparkConnect, which give up after a while, before a user submits."""
        seconds = min(_QUERY_SECONDS, self._ctx.deadline.left / 3)
        with suppress(WaitTimeout):
            until(lambda: all(it.done() for it in asked), what="the clients to have an answer", timeout=seconds)

    def _result(self, asked: Future[None] | None) -> None:
        if asked is None:
            return
        try:
            asked.result()
        except ApiError as refused:
            self._notes.trouble.append(f"a Connect client could not be started: {words_of(refused)}")

    def _create(
        self,
        namespace: str,
        sample: str,
        part: Part,
        when: When,
        values: Mapping[str, object] | None = None,
        *,
        name: str = "",
    ) -> None:
        manifests = samples.render(self._ctx.rendering(namespace), sample, values)
        self._creations.create(self._objects[namespace], renamed(manifests, name) if name else manifests, part, when)

    def _wait(self, conditions: Mapping[str, Callable[[], bool]], seconds: float) -> None:
        """Wait for all of them, or until nothing moves any more; what did not come true is noted."""
        quiet = Quiet(self._recorder)
        left = dict(conditions)

        def over() -> bool:
            for what in [what for what, holds in left.items() if holds()]:
                del left[what]
            return not left or quiet.seconds() > _STILL_SECONDS + self._ctx.longer

        with suppress(WaitTimeout):
            until(over, what="; ".join(conditions), timeout=min(seconds, self._ctx.deadline.left), interval=0.05)
        self._notes.waited += [f"{what} ({self._states.unfinished()})" for what in left]

    def _read_output(self) -> None:
        """What the long application's driver says of its work."""
        long = self._states.application("long")
        if long is not None:
            log = pod_log(self._objects[RUNNING_APPS].core, RUNNING_APPS, "long-driver")
            self._notes.output[long.uid] = tuple(announced(log, "worked"))

    def _tell(self, times: Sequence[MoveSpan]) -> WorkloadSeen:
        until_now = datetime.now(UTC)
        moved = (times[0].began, times[-1].ended) if times else (until_now, until_now)
        found = assembling.applications(self._recorder, self._creations, moved=moved, output=self._notes.output)
        core = self._objects[RUNNING_APPS].core
        seen = warned(heard(found, core), core)
        schedules = assembling.schedules(
            self._recorder, self._creations, seen, until=until_now, suspended=self._notes.suspended
        )
        connects = warned(assembling.connects(self._recorder, self._creations, self._notes.queries), core)
        refused = self._creations.refused()
        return WorkloadSeen(
            watched_from=self._from,
            watched_until=until_now,
            applications=own(seen),
            schedules=own(schedules),
            connects=own(connects),
            refused=own(refused),
            users=self._users.seen(seen, schedules, connects, refused),
            waited=tuple(self._notes.waited),
            trouble=(*self._recorder.trouble(), *self._notes.trouble),
            absent=dict(self._notes.absent),
            seconds=dict(self._notes.seconds),
            asked_every=_SUBMIT_EVERY,
        )

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        started = time.monotonic()
        try:
            yield
        finally:
            self._notes.seconds[name] = time.monotonic() - started
