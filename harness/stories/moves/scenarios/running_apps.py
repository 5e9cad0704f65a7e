# SPDX-License-Identifier: Apache-2.0
"""running-apps: what ran before the operator was replaced goes on as if nothing had happened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.apps.samples import chart_values
from harness.apps.states import State, shown
from harness.matrix.model import ClusterNeeds, Scenario
from harness.upgrades.workload_seen import ApplicationSeen, Part, When, WorkloadSeen
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
    name="running-apps",
    summary="applications that were running keep running, and do not run twice",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    needs=ClusterNeeds(paths=("upgrade", "rollback"), applications=("standing",)),
    takes_for_granted=("webhook",),
)


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the applications that ran before the move."""
    yield from judge(observed)


def judge(observed: ObservedPath) -> Iterator[Finding]:
    """Everything that must hold of them, over the whole path."""
    seen = observed.workload
    if isinstance(seen, operator_seen.Unseen):
        yield errored("applications-observed", seen.reason)
        return
    yield record(seen)
    yield long_keeps_driver(observed, seen)
    yield long_completes(seen)
    yield completed_stays(observed, seen)
    yield no_invalidating(observed, seen)
    if "suspended" not in seen.absent:
        yield suspended_resumes(observed, seen)
    yield retrying_keeps_count(observed, seen)
    if "connect" not in seen.absent:
        yield connect_answers(seen)


def record(seen: WorkloadSeen) -> Finding:
    """Not a claim but the record: what was there, what could not be, and what was waited for in vain."""
    missing = "; ".join(f"no {part}: {why}" for part, why in seen.absent.items())
    return passed(
        "applications-observed",
        counted(len(seen.applications), "application was watched", "applications were watched")
        + (f"; {missing}" if missing else ""),
        waited=list(seen.waited),
        trouble=list(seen.trouble),
        states={f"{it.namespace}/{it.name}": shown(it.history) for it in seen.applications if it.when is When.BEFORE},
    )


def long_keeps_driver(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """The driver pod, the submission id and the attempts of the long application stay what they were."""
    name = "long-keeps-driver"
    app = _one(seen, Part.LONG)
    if isinstance(app, str):
        return errored(name, app)
    before = app.at(observed.moves[0].times.began)
    if before is None or before.state is not State.RUNNING:
        return errored(name, f"{app.name} was not RUNNING before the first move: {shown(app.history)}")
    drivers = {pod.uid: f"{pod.name}, {pod.phase}" for pod in app.drivers}
    changes = [
        f"{what} {old} became {new}"
        for look in app.since(observed.moves[0].times.began)
        for what, old, new in (
            ("submission id", before.submission, look.submission),
            ("execution attempts", before.execution_attempts, look.execution_attempts),
            ("submission attempts", before.submission_attempts, look.submission_attempts),
        )
        if old != new
    ]
    restarts = sum(pod.restarts for pod in app.drivers)
    evidence = {"drivers": drivers, "executors": [pod.name for pod in app.executors], "submission": before.submission}
    if len(drivers) != 1 or changes or restarts:
        message = "; ".join(dict.fromkeys(changes)) or f"{restarts} restarts"
        return failed(name, f"{app.name} had {len(drivers)} driver pods: {message} ({shown(app.history)})", **evidence)
    return passed(name, f"{app.name} kept its driver pod, its submission id and its attempts", **evidence)


def long_completes(seen: WorkloadSeen) -> Finding:
    """The long application ends well when it is told to end."""
    name = "long-completes"
    app = _one(seen, Part.LONG)
    if isinstance(app, str):
        return errored(name, app)
    if app.state is not State.COMPLETED or not all(pod.succeeded for pod in app.drivers):
        return failed(name, f"{app.name} ended as {app.outcome}", output=list(app.output[-3:]))
    return passed(name, f"{app.name} is COMPLETED", output=list(app.output[-3:]))


def completed_stays(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """What was COMPLETED before stays so and gets no other driver."""
    name = "completed-stays"
    app = _one(seen, Part.ENDED)
    if isinstance(app, str):
        return errored(name, app)
    began = observed.moves[0].times.began
    before = app.at(began)
    if before is None or before.state is not State.COMPLETED:
        return errored(name, f"{app.name} was not COMPLETED before the first move: {shown(app.history)}")
    other = [look.state for look in app.since(began) if look.state is not State.COMPLETED]
    if other or len(app.drivers) != 1:
        return failed(name, f"{app.name} ran again: {len(app.drivers)} driver pods, {shown(app.history)}")
    return passed(name, f"{app.name} stayed COMPLETED, with one driver pod")


def no_invalidating(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """No application from before the move goes through INVALIDATING, which means that it is run anew."""
    check = "no-invalidating"
    began = observed.moves[0].times.began
    mine = [app for app in seen.applications if app.when is When.BEFORE]
    struck = {
        f"{app.namespace}/{app.name}": shown(app.history)
        for app in mine
        if any(look.state is State.INVALIDATING for look in app.since(began))
    }
    if struck:
        which = "; ".join(f"{name} {states}" for name, states in struck.items())
        return failed(check, f"{len(struck)} of {len(mine)} applications: {which}", applications=struck)
    return passed(check, f"none of {len(mine)} earlier applications was INVALIDATING")


def suspended_resumes(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """The suspended application gets no driver until it is resumed, and then runs once and completes."""
    name = "suspended-resumes"
    app = _one(seen, Part.SUSPENDED)
    if isinstance(app, str):
        return errored(name, app)
    if State.SUSPENDED not in app.history:
        return errored(name, f"{app.name} was never SUSPENDED: {shown(app.history)}")
    ended = observed.moves[-1].times.ended
    at_end = app.at(ended)
    suspended = next(look.at for look in app.looks if look.state is State.SUSPENDED)
    early = [pod.name for pod in app.drivers if suspended < pod.created < ended.replace(microsecond=0)]
    if early or at_end is None or at_end.state is not State.SUSPENDED:
        return failed(name, f"{app.name} did not stay SUSPENDED: {shown(app.history)}", drivers=early)
    if app.state is not State.COMPLETED:
        return failed(name, f"{app.name} was told to resume and is {app.outcome}: {shown(app.history)}")
    return passed(name, f"{app.name} stayed SUSPENDED, was resumed and is COMPLETED")


def retrying_keeps_count(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """The application that waits to be tried again is tried again with its count going on, and completes."""
    name = "retrying-keeps-count"
    app = _one(seen, Part.RETRYING)
    if isinstance(app, str):
        return errored(name, app)
    before = app.at(observed.moves[0].times.began)
    if before is None or before.execution_attempts < 1 or before.state not in (State.FAILING, State.PENDING_RERUN):
        return errored(name, f"{app.name} did not wait for its retry before the first move: {shown(app.history)}")
    counts = [look.execution_attempts for look in app.looks]
    now, wanted = counts[-1], before.execution_attempts + 1
    evidence = {"before": before.execution_attempts, "after": now, "drivers": [pod.name for pod in app.drivers]}
    if counts != sorted(counts) or now != wanted or len(app.drivers) != wanted:
        message = f"{app.name} counted {before.execution_attempts} attempts before and {now} after, not {wanted}"
        return failed(name, f"{message}, and had {len(app.drivers)} driver pods ({shown(app.history)})", **evidence)
    if app.state is not State.COMPLETED:
        return failed(name, f"{app.name} was retried and is {app.outcome}", **evidence)
    return passed(
        name, f"{app.name} had {before.execution_attempts} attempts, then {now}, and is COMPLETED", **evidence
    )


def connect_answers(seen: WorkloadSeen) -> Finding:
    """The Connect server from before the move gives a real client the right answer afterwards."""
    name = "connect-answers"
    server = next((it for it in seen.connects if it.when is When.BEFORE), None)
    if server is None:
        return errored(name, _why_none(seen, "spark-connect"))
    before = [query for query in server.queries if query.when is When.BEFORE]
    after = [query for query in server.queries if query.when is When.AFTER]
    if not any(query.right for query in before):
        return errored(
            name, f"{server.name} gave no correct answer before the first move, so later answers prove nothing"
        )
    pods = [f"{pod.name} {pod.uid}" for pod in server.servers]
    if not any(query.right for query in after):
        told = after[-1].fault if after else "it was not Ready, so it was not queried"
        return failed(name, f"{server.name} is {server.state or '(new)'} and gave no right answer: {told}", pods=pods)
    return passed(name, f"{server.name} answers {after[-1].answer!r}, with {len(pods)} server pods in all", pods=pods)


def _one(seen: WorkloadSeen, part: Part) -> ApplicationSeen | str:
    """The application of a part that was submitted before, or why there is none."""
    found = [app for app in seen.of(part) if app.when is When.BEFORE]
    return found[-1] if found else _why_none(seen, part)


def _why_none(seen: WorkloadSeen, what: str) -> str:
    refused = [f"{it.name}: {it.words}" for it in seen.refused if it.when is When.BEFORE]
    return f"there was no application {what} before the first move" + (f" ({'; '.join(refused)})" if refused else "")
