# SPDX-License-Identifier: Apache-2.0
"""schedules: schedules miss no slot but where nobody leads, double none, and keep their history."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from harness import late
from harness.apps.samples import chart_values
from harness.apps.states import State
from harness.matrix.model import ClusterNeeds, Scenario
from harness.upgrades.operator_watch import NO_ELECTION, NO_LEADER
from harness.upgrades.workload_seen import ScheduleSeen, When
from harness.verdicts import Finding, errored, failed, passed
from harness.wording import counted

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.releases import operator_seen
    from harness.upgrades.observed import ObservedPath
else:
    operator_seen = late.module("harness.releases.operator_seen")

_VALUES = chart_values()

SCENARIO = Scenario(
    name="schedules",
    summary="no scheduled run is missed beyond the time without a leader, and none is duplicated",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    needs=ClusterNeeds(paths=("upgrade", "rollback"), applications=("schedules",)),
    takes_for_granted=("webhook", "runs-by-the-second"),
)

LATE = timedelta(seconds=10)
"""How late a run may be, on a loaded host, until its slot counts as missed."""

_EARLY = timedelta(seconds=2)
"""Creation timestamps are to the second. Two runs that are closer by more than this were not both due."""


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A slot without a run in time. `gap` is why nobody led then, as measured, and the move; empty: one did."""

    due: datetime
    gap: str

    def __str__(self) -> str:
        return f"{self.due:%H:%M:%S}Z" + (f" ({self.gap})" if self.gap else "")


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the schedules."""
    yield from judge(observed)


def judge(observed: ObservedPath) -> Iterator[Finding]:
    """Everything that must hold of them, over the whole path."""
    seen = observed.workload
    if isinstance(seen, operator_seen.Unseen):
        yield errored("schedules-observed", seen.reason)
        return
    before = next((it for it in seen.schedules if it.when is When.BEFORE), None)
    if before is None:
        refused = "; ".join(it.words for it in seen.refused if it.kind == "ScheduledSparkApplication")
        yield errored(
            "schedules-observed", "there was no schedule before the first move" + f": {refused}" * bool(refused)
        )
        return
    yield slots_kept(observed, before)
    yield none_doubled(before)
    yield history_kept(before)
    yield new_fires([it for it in seen.schedules if it.when is When.AFTER])


def missed(observed: ObservedPath, schedule: ScheduleSeen) -> tuple[Missed, ...]:
    """The slots that have no run in time. A slot is due one period after the run before, or after the creation."""
    every = timedelta(seconds=schedule.every)
    created = [run.created for run in schedule.runs]
    found = []
    for last, following in pairwise([schedule.created, *created, schedule.watched_until]):
        due = last + every
        while due + LATE < following:
            found.append(Missed(due=due, gap=_gap(observed, due)))
            due += every
    return tuple(found)


def slots_kept(observed: ObservedPath, schedule: ScheduleSeen) -> Finding:
    """No slot is missed but where, as measured, no controller led; these are counted and named."""
    lost = missed(observed, schedule)
    own = [it for it in lost if not it.gap]
    evidence = {
        "runs": [f"{run.created:%H:%M:%S}Z {run.name}" for run in schedule.runs],
        "missed": [str(it) for it in own],
        "missed_in_gap": [str(it) for it in lost if it.gap],
    }
    runs, slots = counted(len(schedule.runs), "run"), counted(len(lost) - len(own), "slot")
    message = f"{runs}; {slots} had no run in time while there was {_unled(observed)}"
    if own:
        slots = ", ".join(str(it) for it in own)
        return failed("slots-kept", f"{message}, and {len(own)} at other times: {slots}", **evidence)
    return passed("slots-kept", f"{message}, and none at other times", **evidence)


def none_doubled(schedule: ScheduleSeen) -> Finding:
    """No slot has two runs: none begins less than a period after the one before."""
    every = timedelta(seconds=schedule.every)
    twice = [
        f"{one.name} at {one.created:%H:%M:%S}Z, {other.name} at {other.created:%H:%M:%S}Z"
        for one, other in pairwise(schedule.runs)
        if other.created - one.created < every - _EARLY
    ]
    if twice:
        return failed(
            "no-slot-doubled", f"{counted(len(twice), 'slot')} had two runs: {'; '.join(twice)}", doubled=len(twice)
        )
    return passed(
        "no-slot-doubled", f"each of {len(schedule.runs)} runs is {schedule.every:g} s or more after the last"
    )


def history_kept(schedule: ScheduleSeen) -> Finding:
    """Past runs stay listed, no more than are to be kept, and the last run's time never goes back."""
    name = "history-kept"
    if not any(look.past_successful for look in schedule.looks):
        ended = sum(run.state is State.COMPLETED for run in schedule.runs)
        return errored(name, f"no run was ever in the history, and {ended} were COMPLETED")
    wrong = []
    for one, other in pairwise(schedule.looks):
        if one.past_successful and not other.past_successful and schedule.keeps_successful:
            wrong.append(f"{other.at:%H:%M:%S}Z: {', '.join(one.past_successful)} are listed no more")
        if one.last_run and (other.last_run is None or other.last_run < one.last_run):
            wrong.append(f"{other.at:%H:%M:%S}Z: lastRun went from {one.last_run} to {other.last_run}")
    most = max(len(look.past_successful) for look in schedule.looks)
    if most > schedule.keeps_successful:
        wrong.append(f"{most} past runs were listed, and {schedule.keeps_successful} are to be kept")
    if wrong:
        return failed(name, "; ".join(wrong), history=list(schedule.looks[-1].past_successful))
    last = schedule.looks[-1].past_successful
    return passed(name, f"{len(last)} of at most {schedule.keeps_successful} past runs are listed", history=list(last))


def new_fires(new: list[ScheduleSeen]) -> Finding:
    """A schedule that is made after the last move fires."""
    name = "new-schedule-fires"
    if not new:
        return failed(name, "no schedule could be made after the last move")
    silent = [it.name for it in new if not it.runs]
    if silent:
        return failed(name, f"{', '.join(silent)} never fired, though due every {new[0].every:g} s")
    return passed(name, f"{new[0].name} fired {counted(len(new[0].runs), 'time')}")


def _gap(observed: ObservedPath, due: datetime) -> str:
    """Why nobody led when a slot was due, and the move; a gap that was not seen to end excuses nothing."""
    # A run due right before the end of a leader is not started any more.
    found = ((seen.watch.unled(due, _EARLY), seen.move) for seen in observed.moves)
    return next((f"{unled}: {move}" for unled, move in found if unled), "")


def _unled(observed: ObservedPath) -> str:
    """What a slot without a run is excused by: the time without a leader or, without election, of the replacement."""
    elects = all(seen.watch.replaced is None for seen in observed.moves)
    return NO_LEADER if elects else NO_ELECTION
