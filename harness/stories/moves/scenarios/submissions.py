# SPDX-License-Identifier: Apache-2.0
"""submissions: what is submitted before, while and after the operator is replaced runs exactly once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from harness import late
from harness.apps.samples import chart_values
from harness.apps.states import State
from harness.matrix.model import ClusterNeeds, Scenario
from harness.upgrades.workload_seen import NEW_CONNECT, ApplicationSeen, Part, When, WorkloadSeen
from harness.verdicts import Finding, errored, failed, passed
from harness.wording import counted, first_few

if TYPE_CHECKING:
    from harness.checks.images import Resolve
    from harness.releases import operator_seen
    from harness.upgrades.observed import ObservedPath
else:
    operator_seen = late.module("harness.releases.operator_seen")

_VALUES = chart_values()

SCENARIO = Scenario(
    name="submissions",
    summary="every application runs exactly once",
    timeout=420.0,
    images=(_VALUES.spark.image,),
    needs=ClusterNeeds(paths=("upgrade", "rollback"), applications=("submissions",)),
    takes_for_granted=("webhook",),
)

RACE = "driver pod already exist"
"""What the operator says of a driver that it does not know to be its own (kubeflow/spark-operator#2788)."""

_ONCE = frozenset({Part.ENDED, Part.LONG, Part.SMALL, Part.NEW, Part.RUN})
_SHOWN = 5
_SHORTLY = 30.0
"""Seconds: what is submitted so shortly before a move is still on its way when it begins."""


def claims(observed: ObservedPath, resolve: Resolve) -> Iterator[Finding]:
    """Judge the applications that are to run once."""
    yield from judge(observed)


def judge(observed: ObservedPath) -> Iterator[Finding]:
    """Everything that must hold of them, over the whole path."""
    seen = observed.workload
    if isinstance(seen, operator_seen.Unseen):
        yield errored("submissions-observed", seen.reason)
        return
    yield submitted(seen)
    yield exactly_once(observed, seen)
    yield no_other_loss(observed, seen)
    yield accepted_after(seen)
    if NEW_CONNECT not in seen.absent and any(it.when is When.AFTER for it in seen.connects):
        yield new_connect(seen)


def submitted(seen: WorkloadSeen) -> Finding:
    """Something was submitted while the operator was replaced; else nothing below proves anything."""
    name = "submissions-observed"
    counts = {str(when): n for when, n in Counter(app.when for app in _judged(seen)).items()}
    refused = [f"{it.at:%H:%M:%S}Z {it.name}: {it.words}" for it in seen.refused]
    evidence = {
        "accepted": counts,
        "refused": refused,
        "asked_every_s": seen.asked_every,
        "trouble": list(seen.trouble),
    }
    if not any(app.part is Part.SMALL for app in seen.applications):
        make = failed if refused else errored
        return make(name, "no application was accepted while the operator was replaced", **evidence)
    message = ", ".join(f"{n} {when}" for when, n in counts.items())
    return passed(name, f"accepted: {message}; refused: {len(refused)}", **evidence)


def exactly_once(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """No application is called FAILED although its one driver ran well, since the operator did not know that driver."""
    name = "exactly-once"
    mine = _judged(seen)
    struck = [app for app in mine if _struck(app)]
    windows = dict(Counter(window(observed, app.created) for app in struck))
    evidence = {"total": len(mine), "failed": len(struck), "windows": windows}
    if not struck:
        return passed(name, f"none of {len(mine)} applications lost its driver to a change of controllers", **evidence)
    message = "; ".join(f"{n} {where}" for where, n in windows.items())
    names = ", ".join(app.name for app in struck[:_SHOWN])
    return failed(
        name,
        f"{len(struck)} of {len(mine)} applications ended FAILED with {RACE!r} although their driver succeeded: "
        f"{message} ({names})",
        applications=[f"{app.name}: {app.error}" for app in struck],
        **evidence,
    )


def no_other_loss(observed: ObservedPath, seen: WorkloadSeen) -> Finding:
    """Every other application has one driver, which ends well, and is COMPLETED."""
    name = "no-other-loss"
    mine = [app for app in _judged(seen) if not _struck(app)]
    fates = {app: fate for app in mine if (fate := _fate(app))}
    doubled = sum(len(app.drivers) > 1 for app in fates)
    evidence = {"total": len(mine), "failed": len(fates), "doubled": doubled}
    if not fates:
        return passed(name, f"each of {len(mine)} applications ran once and is COMPLETED", **evidence)
    messages = [f"{app.name} {fate}, submitted {window(observed, app.created)}" for app, fate in fates.items()]
    return failed(
        name,
        f"{len(fates)} of {len(mine)} applications: {first_few(messages, _SHOWN, '; ')}",
        applications=messages,
        **evidence,
    )


def accepted_after(seen: WorkloadSeen) -> Finding:
    """Everything that is submitted after the last move is accepted."""
    name = "accepted-after"
    refused = [f"{it.kind} {it.name}: {it.words}" for it in seen.refused if it.when is When.AFTER]
    if refused:
        return failed(name, f"refused after the last move: {'; '.join(refused)}", refused=refused)
    after = [app.name for app in seen.of(Part.NEW)]
    if not after:
        return errored(name, "nothing was submitted after the last move")
    alone = f"; no SparkConnect was asked for work: {seen.absent[NEW_CONNECT]}" if NEW_CONNECT in seen.absent else ""
    return passed(name, f"{len(after)} new applications were accepted: {', '.join(after)}{alone}")


def window(observed: ObservedPath, moment: datetime) -> str:
    """Where on the path a moment lies, in words."""
    for seen in observed.moves:
        times, watch = seen.times, seen.watch
        if not times.began <= moment <= times.ended:
            continue
        if unled := watch.unled(moment):
            return f"while there was {unled} ({seen.move})"
        if moment <= times.helm_done:
            return f"while Helm worked ({seen.move})"
        if times.settled is None or moment <= times.settled:
            return f"while it rolled out ({seen.move})"
        return f"after it had rolled out ({seen.move})"
    if observed.moves and moment < observed.moves[0].times.began:
        early = (observed.moves[0].times.began - moment).total_seconds()
        return f"{'shortly ' if early < _SHORTLY else ''}before the first move"
    return "after the last move" if observed.moves and moment > observed.moves[-1].times.ended else "between two moves"


def new_connect(seen: WorkloadSeen) -> Finding:
    """A Connect server that comes after the last move gets Ready and, where it was asked, gives the right answer."""
    name = "new-connect-ready"
    server = next(it for it in seen.connects if it.when is When.AFTER)
    message = f"{server.name} is {server.state or '(new)'}"
    pods = [f"{pod.name} {pod.phase}" for pod in server.servers]
    if server.state != "Ready" or not server.servers:
        why = "".join(f": {it.server_fault}" for it in server.queries[-1:] if it.server_fault)
        return failed(name, f"{message}, with {len(pods)} server pods{why}", pods=pods)
    wrong = [query for query in server.queries if not query.right]
    if wrong:
        return failed(name, f"{message}, and gave no right answer: {wrong[-1].fault}", pods=pods)
    asked = f" and answers {server.queries[-1].answer!r}" if server.queries else ""
    return passed(name, f"{message}{asked}", pods=pods)


def _judged(seen: WorkloadSeen) -> list[ApplicationSeen]:
    """Those that are to run once. A run of a schedule that is still going is nobody's loss: nobody waits for it."""
    return [app for app in seen.applications if app.part in _ONCE and (app.ended or not app.schedule)]


def _struck(app: ApplicationSeen) -> bool:
    return (
        app.state is State.FAILED and RACE in app.error.lower() and len(app.drivers) == 1 and app.drivers[0].succeeded
    )


def _fate(app: ApplicationSeen) -> str:
    """What went wrong with it; empty when nothing did."""
    if len(app.drivers) > 1:
        return f"had {counted(len(app.drivers), 'driver')} and is {app.outcome}"
    if app.gone is not None and not app.ended:
        return f"was deleted as {app.state or '(new)'}"
    if not app.drivers:
        return f"had no driver and is {app.outcome}"
    if app.state is not State.COMPLETED or not app.drivers[0].succeeded:
        driver = app.drivers[0]
        return f"is {app.outcome}, its driver {driver.phase} with exit status {driver.exit_status}"
    return ""
