# SPDX-License-Identifier: Apache-2.0
"""The applications that a failing upgrade must not harm: one that runs since before, and those that come meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from harness.apps import samples
from harness.apps.objects import APPLICATION, SCHEDULED, Objects
from harness.apps.states import State
from harness.errors import HarnessError, WaitTimeout
from harness.late import client
from harness.stories.failures.described import STRUCK
from harness.upgrades import assembling, clients
from harness.upgrades.creations import Creations, renamed
from harness.upgrades.last_words import heard
from harness.upgrades.recorder import Recorder
from harness.upgrades.workload_seen import ApplicationSeen, Part, When
from harness.verdicts import Finding, errored, failed, passed
from harness.waiting import until

if TYPE_CHECKING:
    from harness.apps.pods import SparkPod
    from harness.kube.cluster import Cluster

RUNNING = "applications-running"
NEW = "applications-new"

_BEGIN_SECONDS = 120.0
_END_SECONDS = 150.0
_GONE_SECONDS = 60.0


class Bystanders:
    """The applications of one namespace. Entering begins to watch it; leaving ends that, and the objects stay.

    `longer` are the seconds by which a new leader leads later than usual.
    """

    def __init__(self, cluster: Cluster, rendering: samples.RenderedFor, *, longer: float = 0.0) -> None:
        self._longer = longer
        self._cluster = cluster
        self._namespace = rendering.namespace
        self._rendering = rendering
        self._creations = Creations()
        self._recorder = Recorder(cluster, {rendering.namespace})
        self._began = datetime.now(UTC)
        self._first: ApplicationSeen | None = None

    def __enter__(self) -> Self:
        self._api = self._cluster.api_client()
        self._objects = Objects(self._api, self._namespace)
        self._recorder.start(connect=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._recorder.stop()
        self._api.close()  # type: ignore[no-untyped-call]

    def begin(self) -> None:
        """Submit the long application, and wait until its executor runs. Raises WaitTimeout."""
        self._creations.create(self._objects, samples.render(self._rendering, "long"), Part.LONG, When.BEFORE)
        until(lambda: self._working("long"), what="the long application's executor to run", timeout=_BEGIN_SECONDS)
        self._first = self.seen("long")
        self._began = datetime.now(UTC)

    def submit(self, *names: str) -> list[str]:
        """Submit small applications, and return the names of those that were accepted; refusals are judged later."""
        small = samples.render(self._rendering, "small")
        made = [self._creations.create(self._objects, renamed(small, name), Part.SMALL, When.DURING) for name in names]
        return [it.name for it in made if it is not None]

    def begin_another(self, name: str, **spec: Any) -> None:
        """Submit another long application, with these fields in its spec, and wait until its executor runs.

        Raises WaitTimeout.
        """
        manifests = renamed(samples.render(self._rendering, "long"), name, **spec)
        self._creations.create(self._objects, manifests, Part.LONG, When.BEFORE)
        until(lambda: self._working(name), what=f"the executor of {name} to run", timeout=_BEGIN_SECONDS)

    def let_end(self, name: str) -> None:
        """Tell a long application that it may end. Raises HarnessError."""
        seen = self.seen(name)
        if seen is not None and seen.drivers:
            clients.let_end(self._cluster, self._namespace, seen.drivers[-1].name)

    def schedule(self, every: int) -> None:
        """Have small applications run every so many seconds. Raises ApiError."""
        values = {"smallScheduled": {"everySeconds": every}}
        manifests = samples.render(self._rendering, "small-scheduled", values)
        self._creations.create(self._objects, manifests, Part.SMALL, When.BEFORE)

    def end_schedule(self) -> None:
        """Let nothing more be scheduled; the runs that there are stay. Raises ApiError."""
        self._objects.patch(SCHEDULED, "small-scheduled", {"spec": {"suspend": True}})

    def runs(self) -> tuple[ApplicationSeen, ...]:
        """The runs of the schedule."""
        return tuple(it for it in self.all() if it.schedule)

    def delete_pod(self, name: str) -> None:
        """Delete one of the pods. Raises ApiError."""
        client.CoreV1Api(self._api).delete_namespaced_pod(name, self._namespace)

    def await_end(self, name: str, *, timeout: float) -> ApplicationSeen | None:
        """An application as it is when it has ended, or when the time is up; None when it was never seen.

        `timeout` are the seconds that this takes with a leader that leads as soon as usual.
        """
        try:
            until(lambda: self._ended(name), what=f"the end of {name}", timeout=timeout + self._longer)
        except WaitTimeout:
            return self.seen(name)
        return self.seen(name)

    def await_drivers(self, name: str, *, timeout: float) -> None:
        """Wait until no driver of an application runs any more, whatever its status says; at most `timeout` seconds."""
        try:
            until(
                lambda: (
                    (found := self.seen(name)) is not None
                    and all(it.ended_at is not None or it.gone is not None for it in found.drivers)
                ),
                what=f"the drivers of {name} to end",
                timeout=timeout,
            )
        except WaitTimeout:
            return

    def seen(self, name: str) -> ApplicationSeen | None:
        """The application of that name, of several the one that was created last."""
        return next((it for it in reversed(self.all()) if it.name == name), None)

    def all(self) -> tuple[ApplicationSeen, ...]:
        """All applications in the order of their creation."""
        seen = assembling.applications(
            self._recorder, self._creations, moved=(self._began, datetime.now(UTC)), output={}
        )
        return heard(seen, self._objects.core)

    def submit_again(self, name: str) -> ApplicationSeen | None:
        """Delete an application, wait until its pods are gone, create it anew and follow it to its end.

        Raises WaitTimeout when the pods do not go.
        """
        self._objects.delete(APPLICATION, name)
        until(
            lambda: (
                self._objects.get(APPLICATION, name) is None
                and not [it for it in self._objects.spark_pods() if it.name.startswith(f"{name}-")]
            ),
            what=f"{name} and its pods to be gone",
            timeout=_GONE_SECONDS,
        )
        before = self.seen(name)
        self.submit(name)
        until(
            lambda: (now := self.seen(name)) is not None and (before is None or now.uid != before.uid),
            what=f"{name} to be there anew",
            timeout=_GONE_SECONDS,
        )
        return self.await_end(name, timeout=_END_SECONDS)

    def finish(self) -> list[Finding]:
        """Tell the long application to end, wait for all ends, and judge. Those named `struck-…` are judged apart."""
        trouble = ""
        long = self.seen("long")
        if long is not None and not long.ended and long.drivers:
            try:
                clients.let_end(self._cluster, self._namespace, long.drivers[-1].name)
            except HarnessError as unheard:
                trouble = unheard.message
        for it in self.all():
            self.await_end(it.name, timeout=_END_SECONDS)
        small = [
            it for it in self.all() if it.part is Part.SMALL and not it.schedule and not it.name.startswith(STRUCK)
        ]
        refused = [f"{it.name} was refused: {it.words}" for it in self._creations.refused()]
        running = judge_long(self._first, self.seen("long"), trouble)
        return [running, *judge_new(small, refused)] if small or refused else [running]

    def _working(self, name: str) -> bool:
        long = self.seen(name)
        return long is not None and long.state is State.RUNNING and any(it.phase == "Running" for it in long.executors)

    def _ended(self, name: str) -> bool:
        found = self.seen(name)
        return found is not None and found.ended


def judge_long(first: ApplicationSeen | None, last: ApplicationSeen | None, trouble: str = "") -> Finding:
    """The application that ran before: the same driver pod, submitted once, and COMPLETED. `trouble`: not told to."""
    if first is None or last is None or not first.drivers:
        return errored(RUNNING, "the long application was not seen running before")
    before, after = first.looks[-1], last.looks[-1]
    facts = {
        "driver": first.drivers[-1].uid,
        "drivers": [it.uid for it in last.drivers],
        "states": [str(it) for it in last.history],
    }
    wrong = []
    if {it.uid for it in last.drivers} != {first.drivers[-1].uid}:
        wrong.append(f"it had the driver pods {', '.join(it.uid for it in last.drivers)}")
    if after.submission != before.submission:
        wrong.append(f"it was submitted anew: {before.submission}, then {after.submission}")
    if (after.execution_attempts, after.submission_attempts) != (
        before.execution_attempts,
        before.submission_attempts,
    ):
        wrong.append("its attempts were counted up")
    if last.state is not State.COMPLETED:
        wrong.append(
            f"it ended {last.state or 'without a state'} {last.error}".rstrip() + (f" ({trouble})" if trouble else "")
        )
    if wrong:
        return failed(RUNNING, f"the application that ran before suffered: {'; '.join(wrong)}", **facts)
    return passed(
        RUNNING, "the application that ran before kept its driver pod and its submission, and COMPLETED", **facts
    )


def judge_new(small: Sequence[ApplicationSeen], refused: Sequence[str] = ()) -> list[Finding]:
    """The applications that came in the middle of it: accepted, run once each, and COMPLETED."""
    wrong = [*refused]
    for it in small:
        if len(it.drivers) != 1:
            wrong.append(f"{it.name} had {len(it.drivers)} driver pods")
        if it.state is not State.COMPLETED:
            wrong.append(f"{it.name} ended {it.state or 'without a state'} {it.error}".rstrip())
    facts = {"seconds": {it.name: took(it) for it in small}}
    if wrong:
        return [failed(NEW, f"applications that came in the middle of it suffered: {'; '.join(wrong)}", **facts)]
    names = ", ".join(f"{it.name} (after {took(it)} s)" for it in small)
    return [passed(NEW, f"each that came in the middle of it ran once and COMPLETED: {names}", **facts)]


def took(application: ApplicationSeen) -> float | None:
    """Seconds from the request to the last state that was seen."""
    if not application.looks:
        return None
    return round((application.looks[-1].at - application.created).total_seconds(), 1)


def driver_ran(driver: SparkPod) -> bool:
    """Whether a driver's Spark container ran at all."""
    return (
        driver.started_at is not None
        or driver.ended_at is not None
        or driver.phase in ("Running", "Succeeded", "Failed")
    )
