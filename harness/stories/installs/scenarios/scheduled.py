# SPDX-License-Identifier: Apache-2.0
"""scheduled: a ScheduledSparkApplication fires when due, again and again, and keeps as many runs as it should."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Any

from harness.apps import awaited, samples
from harness.apps.applications import Application, parse
from harness.apps.context import ScenarioContext
from harness.apps.objects import APPLICATION, SCHEDULED, Objects
from harness.apps.pods import LABEL_SCHEDULE
from harness.apps.states import TERMINAL, State
from harness.apps.trial import trial
from harness.kube import reading
from harness.kube.watching import watch_until
from harness.matrix.model import Scenario
from harness.verdicts import Finding, failed, passed
from harness.wording import counted

_VALUES = samples.chart_values()

SCENARIO = Scenario(
    name="scheduled",
    summary="a schedule fires at least twice and keeps to its history limits",
    timeout=600.0,
    images=(_VALUES.spark.image,),
    needs_crds=("sparkapplications.sparkoperator.k8s.io", "scheduledsparkapplications.sparkoperator.k8s.io"),
    takes_for_granted=("webhook", "runs-by-the-second"),
)

_RUNS = 3
"""History limits are applied when a run starts: with a limit of one, the third start must drop the first run."""

_SECONDS = 400.0
_PAUSE_SECONDS = 30.0
"""How long nothing may run: six slots, since an operator on a loaded host is late by a few."""


@dataclass
class Runs:
    """The runs of one schedule: each as last seen, and those that are gone."""

    seen: dict[str, Application] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    times: dict[str, list[datetime]] = field(default_factory=dict)
    most_at_a_time: int = 0

    def note(self, event: str, run: Application, created: datetime | None = None) -> None:
        """Add one change of a run, which was created then."""
        self.seen[run.name] = run
        ended = reading.time(run.termination or None)
        self.times[run.name] = [it for it in (created, ended) if it]
        if event == "DELETED" and run.name not in self.deleted:
            self.deleted.append(run.name)
        unfinished = [r for r in self.seen.values() if r.state not in TERMINAL and r.name not in self.deleted]
        self.most_at_a_time = max(self.most_at_a_time, len(unfinished))

    @property
    def names(self) -> list[str]:
        """In the order of their start: a run's name ends with the nanosecond of it."""
        return sorted(self.seen)

    def __str__(self) -> str:
        return ", ".join(
            f"{name} {self.seen[name].state or '(new)'}{' deleted' if name in self.deleted else ''}"
            for name in self.names
        )


def run(ctx: ScenarioContext) -> list[Finding]:
    """Watch the runs of a schedule until the third has started and the first is gone."""
    return trial(ctx, _steps)


def _steps(ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    (made,) = objects.create(samples.render(ctx, "scheduled"))
    name = made["metadata"]["name"]
    runs = Runs()
    watch_until(
        objects.watched(APPLICATION)[0],
        lambda event, raw: _look(runs, event, raw),
        what=f"{_RUNS} runs of {name}, the first of them dropped",
        timeout=ctx.within(_SECONDS),
        describe=lambda raw: str(runs) or str(parse(raw)),
        label_selector=f"{LABEL_SCHEDULE}={name}",
        **objects.watched(APPLICATION)[1],
    )
    status = (objects.get(SCHEDULED, name) or {}).get("status") or {}
    yield _fires(runs, status)
    yield _completed(runs)
    yield _slots_kept(runs)
    yield _one_at_a_time(runs)
    yield _history(runs, status)
    yield _owned(objects, name)
    first = runs.names[0]
    yield awaited.events(ctx, objects, first, executors=False)


def _look(runs: Runs, event: str, raw: Any) -> Runs | None:
    runs.note(event, parse(raw), reading.time(raw["metadata"].get("creationTimestamp")))
    if any(run.state is State.FAILED for run in runs.seen.values()):
        return runs
    # A run that is deleted while spark-submit still works on it can come back as a pod: let the last one get past that.
    submitted = [run for run in runs.seen.values() if run.state is not State.NEW]
    return runs if len(submitted) >= _RUNS and runs.deleted else None


def _fires(runs: Runs, status: dict[str, Any]) -> Finding:
    state = status.get("scheduleState")
    make = passed if len(runs.seen) >= 2 and state == "Scheduled" else failed
    return make("fires", f"the schedule is {state} and made {counted(len(runs.seen), 'run')}: {runs}", runs=runs.names)


def _completed(runs: Runs) -> Finding:
    """Every run that had ended, and at least two had, ended well."""
    ended = {name: str(run.state) for name, run in runs.seen.items() if run.state in TERMINAL}
    make = passed if len(ended) >= 2 and set(ended.values()) == {"COMPLETED"} else failed
    return make("runs-complete", f"{counted(len(ended), 'run has', 'runs have')} ended: {runs}", states=ended)


def _one_at_a_time(runs: Runs) -> Finding:
    """The sample's concurrency policy is Forbid."""
    make = passed if runs.most_at_a_time == 1 else failed
    return make("one-at-a-time", f"at most {runs.most_at_a_time} run(s) had not ended at a time: {runs}")


def _slots_kept(runs: Runs) -> Finding:
    """A run begins soon after the one before has ended: its slot comes every few seconds, and Forbid lets it wait."""
    times = [runs.times[name] for name in runs.names if runs.times.get(name)]
    pauses = [(one[-1], (other[0] - one[-1]).total_seconds()) for one, other in pairwise(times)]
    late = [f"no run for {seconds:.0f} s after {at:%H:%M:%S}Z" for at, seconds in pauses if seconds > _PAUSE_SECONDS]
    if late:
        return failed(
            "slots-kept", f"{_VALUES.scheduled.schedule}, and {'; '.join(late)}", pauses=[it[1] for it in pauses]
        )
    longest = max((seconds for _, seconds in pauses), default=0.0)
    return passed(
        "slots-kept", f"{_VALUES.scheduled.schedule}, and the longest pause between two runs was {longest:.0f} s"
    )


def _history(runs: Runs, status: dict[str, Any]) -> Finding:
    """Of the finished runs only the newest is kept, in the status and in the namespace."""
    limit = _VALUES.scheduled.successful_run_history_limit
    kept = [name for name in runs.names if name not in runs.deleted and runs.seen[name].state in TERMINAL]
    told = status.get("pastSuccessfulRunNames") or []
    evidence = {"kept": kept, "deleted": runs.deleted, "pastSuccessfulRunNames": told}
    if runs.deleted != runs.names[: len(runs.deleted)] or not runs.deleted:
        return failed("history-limit", f"the oldest runs should have been dropped: {runs}", **evidence)
    if len(kept) > limit or told != kept[-limit:]:
        left, named = (", ".join(names) or "none" for names in (kept, told))
        return failed("history-limit", f"the limit is {limit}; kept are {left}; the status names {named}", **evidence)
    return passed("history-limit", f"of the finished runs, {limit} is kept and {len(runs.deleted)} dropped", **evidence)


def _owned(objects: Objects, name: str) -> Finding:
    orphans = [
        raw["metadata"]["name"]
        for raw in objects.all(APPLICATION)
        if name not in [owner["name"] for owner in raw["metadata"].get("ownerReferences", [])]
    ]
    if orphans:
        return failed("runs-owned", f"runs that no schedule owns: {', '.join(orphans)}")
    return passed("runs-owned", f"every run is owned by the schedule {name}")
