# SPDX-License-Identifier: Apache-2.0
"""Claims about the user's own applications, one each: what ran goes on, what is submitted afterwards runs once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from harness.apps import own_ends, own_lacks, own_pods
from harness.apps.held_up import outside
from harness.apps.objects import APPLICATION, CONNECT, SCHEDULED
from harness.apps.places import NAMESPACE
from harness.apps.states import State, shown
from harness.releases import webhook
from harness.releases.operator_seen import Unseen
from harness.stories.user_apps.on_install import INVALID, check_of, untried
from harness.upgrades.user_apps import name_of
from harness.upgrades.workload_seen import ApplicationSeen, ConnectSeen, ScheduleSeen, UsersSeen, When
from harness.verdicts import Finding, errored, failed, passed, unavailable
from harness.wording import counted

if TYPE_CHECKING:
    from harness.apps.pods import SparkPod
    from harness.apps.user_folder import Untried
    from harness.apps.users import UserManifest
    from harness.upgrades.observed import ObservedPath

Judged = tuple[list[str], str]
"""What is wrong, and what is said where nothing is."""

_FAILED = f"ended as {State.FAILED}"


def judge(observed: ObservedPath, left_out: Sequence[Untried] = ()) -> Iterator[Finding]:
    """One finding for each application of --apps, which names its file."""
    seen = observed.workload
    if isinstance(seen, Unseen):
        yield errored("applications-observed", seen.reason)
        return
    if seen.users is None:
        yield errored("applications-observed", "no applications of --apps were on this path")
        return
    for manifest in seen.users.given:
        if lacks := seen.users.lacks.get(manifest.where):
            title = f"{manifest.kind} {manifest.name} of {manifest.where}"
            yield unavailable(check_of(manifest), f"{title} {lacks}")
        else:
            yield one(manifest, seen.users, began=observed.moves[0].times.began)
    yield from map(untried, left_out)


def one(manifest: UserManifest, seen: UsersSeen, *, began: datetime) -> Finding:
    """The finding of one application, submitted before the first move and, under another name, after the last."""
    wrong: list[str] = []
    said: list[str] = []
    for when in (When.BEFORE, When.AFTER):
        faults, fine = _judged(manifest, seen, when, began)
        wrong += [f"{when} the move: {it}" for it in faults]
        said.append(f"{when} the move: {fine}")
    facts = _facts(manifest, seen)
    title = f"{manifest.kind} {manifest.name} of {manifest.where}"
    if amiss := _amiss_before(manifest, seen, began):
        state, cause = amiss
        words = f"it was {state} before the operator was touched, so it says nothing of the move"
        return unavailable(check_of(manifest), f"{title}: {words}: {cause or 'it gave no cause'}", **facts)
    if image := _lacking_image(manifest, seen):
        return unavailable(check_of(manifest), f"{title} names {image}; that says nothing of the move", **facts)
    if wrong and all(_FAILED in it for it in wrong) and (lacks := _lacks(manifest, seen)):
        return unavailable(check_of(manifest), f"{title}{lacks}, so it says nothing of the move: {wrong[0]}", **facts)
    if wrong:
        return failed(check_of(manifest), f"{title}: {'; '.join(wrong)}", **facts)
    return passed(check_of(manifest), f"{title}: {'; '.join(said)}", **facts)


def _judged(manifest: UserManifest, seen: UsersSeen, when: When, began: datetime) -> Judged:
    name, namespace = name_of(manifest, when), seen.namespaces.get(manifest.where, NAMESPACE)
    found: Sequence[ApplicationSeen | ScheduleSeen | ConnectSeen]
    if manifest.kind == APPLICATION.kind:
        found = [it for it in seen.applications if not it.schedule]
    else:
        found = seen.connects if manifest.kind == CONNECT.kind else seen.schedules
    found = [it for it in found if (it.namespace, it.name) == (namespace, name)]
    if not found:
        mine = [it for it in seen.refused if (it.namespace, it.name, it.when) == (namespace, name, when)]
        return [f"{it.kind} {it.name} was refused: {it.words}" for it in mine] or ["it was created and never seen"], ""
    last = found[-1]
    if isinstance(last, ApplicationSeen):
        return application(last, manifest, began=began)
    return schedule(last, manifest) if isinstance(last, ScheduleSeen) else connect(last)


def application(app: ApplicationSeen, manifest: UserManifest, *, began: datetime) -> Judged:
    """An application keeps its driver over the moves, is not started again for nothing, and ends as it is to end."""
    wrong = []
    since = began if app.when is When.BEFORE else app.created
    if any(look.state is State.INVALIDATING for look in app.since(since)):
        wrong.append(f"it was INVALIDATING, which runs it anew ({shown(app.history)})")
    for earlier, later in pairwise(sorted(app.drivers, key=lambda pod: pod.created)):
        if later.created > since.replace(microsecond=0):
            wrong += _replaced(earlier, later, endless=manifest.endless)
    if not app.drivers and not manifest.suspended:
        wrong.append(f"it never got a driver pod ({shown(app.history)})")
    if manifest.suspended and app.state is State.SUSPENDED:
        return wrong, "stayed SUSPENDED"
    if manifest.fails and app.state is State.FAILED:
        return wrong, f"FAILED, as it is to end, with {_drivers(app)}"
    if manifest.fails and app.state is State.COMPLETED:
        return [*wrong, f"it was to end as FAILED, and is COMPLETED ({shown(app.history)})"], ""
    if app.state is State.COMPLETED:
        return wrong, f"COMPLETED, with {_drivers(app)}"
    if app.state is State.RUNNING:
        return wrong, f"RUNNING when the watching ended, so that its end was not seen, with {_drivers(app)}"
    if manifest.endless and app.state is not State.FAILED:
        return wrong, f"{app.state or '(new)'} when the watching ended, as one that begins again does"
    if app.ended:
        return [*wrong, f"it ended as {app.outcome} ({shown(app.history)})"], ""
    return [*wrong, f"it was {app.outcome} when the watching ended ({shown(app.history)}); {_why_not(app)}"], ""


def _amiss_before(manifest: UserManifest, seen: UsersSeen, began: datetime) -> tuple[str, str] | None:
    """In which state the release before the move left an object that it could not use either, and why."""
    if failed_run := _failed_before(manifest, seen, began):
        return "FAILED", failed_run.cause
    mine = (seen.namespaces.get(manifest.where, NAMESPACE), manifest.name, When.BEFORE)
    for app in seen.applications if manifest.kind == APPLICATION.kind else ():
        waits = _waits(app.drivers, began)
        if (app.namespace, app.name, app.when) == mine and waits:
            return "waiting", waits
    for refused in seen.refused:
        # A webhook that could not be asked is the product's.
        if (refused.namespace, refused.name, refused.when) == mine and not webhook.not_asked(refused.words):
            return "refused", refused.words
    for it in seen.schedules if manifest.kind == SCHEDULED.kind else ():
        look = next((look for look in reversed(it.looks) if look.at <= began), None)
        if (it.namespace, it.name, it.when) == mine and look is not None and look.state == INVALID:
            return INVALID, look.reason
    for server in seen.connects if manifest.kind == CONNECT.kind else ():
        states = {look.state for look in server.looks}
        if (server.namespace, server.name, server.when) != mine or "Ready" in states:
            continue
        if waits := _waits(server.servers, began):
            return "waiting", waits
        if "Failed" in states:
            return "Failed", ""
    return None


def _waits(pods: Sequence[SparkPod], began: datetime) -> str:
    """What pods of before the move wait for in vain, since it is not in their surroundings; else empty."""
    return next(filter(None, (_held_up(it) for it in reversed(pods) if it.created <= began)), "")


def _held_up(pod: SparkPod) -> str:
    pulls, ended = own_pods.pulls_of([pod]), own_pods.in_vain([pod])
    return outside(pod) or next(map(str, (*pulls, *ended)), "")


def _lacking_image(manifest: UserManifest, seen: UsersSeen) -> str:
    """The image that pods of an application waited for at the end, and that it names; else empty."""
    names, namespace = _names(manifest), seen.namespaces.get(manifest.where, NAMESPACE)
    found: tuple[ApplicationSeen | ConnectSeen, ...] = (*seen.applications, *seen.connects)
    mine = [it for it in found if it.namespace == namespace and it.name in names]
    return own_pods.lacking_image(manifest, own_pods.pulls_of(pod for it in mine for pod in it.pods if not pod.gone))


def _lacks(manifest: UserManifest, seen: UsersSeen) -> str:
    """What all that ended of an application lack, in words that go on after its title; else empty. It is no doing of
    the operator's.

    Whoever waits for a host may give up only after the move.
    """
    names, namespace = _names(manifest), seen.namespaces.get(manifest.where, NAMESPACE)
    runs = (run for it in seen.schedules if it.namespace == namespace and it.name in names for run in it.runs)
    alone = (it for it in seen.applications if not it.schedule and it.namespace == namespace and it.name in names)
    ended = [it for it in (*alone, *runs) if it.ended]
    told = [_own_doing(manifest, it) for it in ended]
    if f" {own_ends.PROGRAM}" in told and len({it.driver_said.partition(":")[0] for it in ended}) > 1:
        # What a program cannot do twice in the same way may be the move's doing.
        return ""
    return told[0] if told and all(told) else ""


def _own_doing(manifest: UserManifest, it: ApplicationSeen) -> str:
    """Why one that FAILED could not do otherwise, in words that go on after its title; else empty."""
    if it.state is not State.FAILED:
        return ""
    if mine := own_pods.blamed(manifest, it.pods, it.driver_said):
        return f": {mine}"
    lacks = own_lacks.told(manifest, it.error, it.driver_said)
    return f" {lacks}" if lacks else ""


def _failed_before(manifest: UserManifest, seen: UsersSeen, began: datetime) -> ApplicationSeen | None:
    """The application, or the run of a schedule, that the release before the move could not run either, and that is
    not to end so.
    """
    if manifest.fails:
        return None
    mine = (seen.namespaces.get(manifest.where, NAMESPACE), manifest.name, When.BEFORE)
    ones: Sequence[ApplicationSeen] = ()
    if manifest.kind == APPLICATION.kind:
        ones = [it for it in seen.applications if (it.namespace, it.name, it.when) == mine]
    elif manifest.kind == SCHEDULED.kind:
        ones = [run for it in seen.schedules if (it.namespace, it.name, it.when) == mine for run in it.runs]
    looks = ((it, it.at(began)) for it in ones)
    return next((it for it, look in looks if look is not None and look.state is State.FAILED), None)


def schedule(it: ScheduleSeen, manifest: UserManifest) -> Judged:
    """A schedule is accepted and goes on; each of its runs that has ended did so as it is to, and ran once, unless its
    restartPolicy had it tried again.
    """
    wrong = []
    last = it.looks[-1] if it.looks else None
    if last is None or not last.state or last.state == INVALID:
        wrong.append(f"it is {last.state if last and last.state else '(new)'} {last.reason if last else ''}".rstrip())
    for run in it.runs:
        if run.state is State.FAILED and not manifest.fails:
            wrong.append(f"its run {run.name} ended as {run.outcome}")
        for earlier, later in pairwise(sorted(run.drivers, key=lambda pod: pod.created)):
            told = _replaced(earlier, later, endless=manifest.endless)
            wrong += [f"its run {run.name} had {len(run.drivers)} driver pods: {why}" for why in told]
    return wrong, f"{last.state if last else ''}, with {counted(len(it.runs), 'run')} while it was watched"


def connect(it: ConnectSeen) -> Judged:
    """A Connect server is Ready, and keeps its pod, with which its sessions would be lost."""
    wrong = []
    if it.state != "Ready":
        wrong.append(f"it is {it.state or '(new)'}, not Ready")
    if len(it.servers) > 1:
        wrong.append(f"it had {len(it.servers)} server pods: the sessions of the first one are lost")
    return wrong, "Ready, with one server pod"


def _replaced(earlier: SparkPod, later: SparkPod, *, endless: bool) -> list[str]:
    """What is wrong with a driver pod that came after another one; a user may want an ended one to be run again."""
    if earlier.ended_at is None or earlier.ended_at > later.created:
        return [f"the driver pod {earlier.uid} had not ended when {later.uid} came"]
    if earlier.succeeded and not endless:
        return [f"the driver pod {earlier.uid} had succeeded, and it ran again as {later.uid}"]
    return []


def _why_not(app: ApplicationSeen) -> str:
    """What held up an application that did not come to its end."""
    if any(it.started_at for it in app.drivers):
        return "its driver had started"
    if why := next(filter(None, map(outside, app.drivers)), ""):
        return f"its driver had not started: {why}"
    return "its driver had not started: the evidence has the pod's events, such as too little memory in the node"


def _drivers(app: ApplicationSeen) -> str:
    return counted(len(app.drivers), "driver pod")


def _names(manifest: UserManifest) -> set[str]:
    return {name_of(manifest, when) for when in (When.BEFORE, When.AFTER)}


def _facts(manifest: UserManifest, seen: UsersSeen) -> dict[str, object]:
    names = _names(manifest)
    namespace = seen.namespaces.get(manifest.where, NAMESPACE)
    mine = [it for it in seen.applications if it.name in names and it.namespace == namespace]
    return {
        "file": manifest.where,
        "images": list(manifest.images),
        "states": {it.name: shown(it.history) for it in mine},
        "drivers": {it.name: [pod.uid for pod in it.drivers] for it in mine},
    }
