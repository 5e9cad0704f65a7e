# SPDX-License-Identifier: Apache-2.0
"""user-apps on an installed release: the user's own applications run to their ends, a few at a time.

Each is judged by its own pods and has a time of its own, which begins when it is submitted.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness import causes
from harness.apps import applications, logs, moving, own_lacks, own_pods, refusals, samples, users
from harness.apps.applications import Course, follow, of, submitted
from harness.apps.held_up import InVain, held_up
from harness.apps.leftovers import check_nothing_left, there_before
from harness.apps.objects import APPLICATION, CONNECT, RESOURCES, Objects, Refused, Resource
from harness.apps.places import AT_A_TIME, END_SECONDS, Place, places
from harness.apps.states import State
from harness.apps.states import read as state_of
from harness.apps.trial import trial
from harness.errors import ApiError, WaitTimeout
from harness.kube import invalid
from harness.kube.interruptions import findings_of
from harness.kube.watching import watch_until
from harness.verdicts import Finding, Verdict, errored, failed, passed, switched_off, unavailable
from harness.wording import counted

if TYPE_CHECKING:
    from harness.apps.context import ScenarioContext
    from harness.apps.pods import SparkPod
    from harness.apps.user_folder import Untried
    from harness.apps.users import UserManifest, UserManifests

_READY_SECONDS = 180.0

_NOTHING = "that says nothing of the operator"

INVALID = "FailedValidation"
"""The state of a schedule whose cron expression or time zone the operator cannot read
(internal/controller/scheduledsparkapplication/controller.go)."""


Tell = Callable[[str, Sequence[Finding]], None]


def run(ctx: ScenarioContext, apps: UserManifests, left_out: Sequence[Untried] = (), *, tell: Tell) -> list[Finding]:
    """Submit all of them, a few at a time, and follow each to its end, or to where it is to stay.

    `tell` gets the findings of each as soon as it is judged, with its number, since all of them may take long.
    """
    further = [replace(ctx, namespace=it.namespace) for it in places(apps) if it.namespace != ctx.namespace]
    before = [there_before(it) for it in further]
    found = trial(ctx, partial(_steps, apps, tell))
    for place, there in zip(further, before, strict=True):
        left = check_nothing_left(place, before=there)
        found.append(left.model_copy(update={"check": f"{left.check} ({place.namespace})"}))
    return [*found, *map(untried, left_out)]


def check_of(manifest: UserManifest) -> str:
    """The name of the check of one application."""
    return f"user-app {manifest.label or manifest.name}"


def untried(it: Untried) -> Finding:
    """The finding of something in the folder that no run tries: it is told, and does not decide about the cell."""
    return switched_off(f"user-app {it.where}", str(it))


def _steps(apps: UserManifests, tell: Tell, ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    where = places(apps)
    number = sum(len(it.applications) for it in where)
    judged, telling = itertools.count(1), threading.Lock()

    def tried(place: Place, it: UserManifest) -> list[Finding]:
        found = findings_of(check_of(it), partial(_tried, ctx, place, it))
        with telling:
            tell(f"{next(judged)} of {number}", found)
        return found

    for place in where:
        with ctx.api() as api:
            yield from _bring(place, Objects(api, place.namespace))
    with ThreadPoolExecutor(AT_A_TIME, "user-apps") as pool:
        running = [pool.submit(tried, place, it) for place in where for it in place.applications]
        for future in running:
            yield from future.result()


def _bring(place: Place, objects: Objects) -> Iterator[Finding]:
    """Make the ConfigMaps and Secrets that the applications of a place need."""
    for it in place.helpers.values():
        try:
            objects.create([users.helper(it, place.namespace)])
        except Refused as refused:
            # The answer may quote what is in a Secret.
            words = refused.message if it.kind != users.SECRET else "the API server refused it"
            yield unavailable(f"user-app {it.kind} {it.name}", f"{_title(it)}: {words}", file=it.where)


def _tried(ctx: ScenarioContext, place: Place, it: UserManifest) -> list[Finding]:
    """The finding about one application."""
    if lacking := place.lacking(it):
        return [unavailable(check_of(it), f"{_title(it)} {lacking}")]
    with ctx.api() as api:
        brought = tuple(one for one in place.needed(it) if one.kind == users.CONFIG_MAP)
        return [_submitted(ctx, Objects(api, place.namespace), it, brought)]


def _submitted(ctx: ScenarioContext, objects: Objects, it: UserManifest, brought: UserManifests) -> Finding:
    manifest, left_out = users.ready(it, objects.namespace, samples.account(ctx))
    told = {"left_out": left_out, "addresses_of_its_own_cluster": moving.homes(it.document)}
    facts = {"file": it.where, **{key: value for key, value in told.items() if value}}
    try:
        (raw,) = objects.create([manifest])
    except Refused as refused:
        if invalid.says_so(refused.message):
            words = "by the CRD's schema, so it says nothing of the operator"
            return unavailable(check_of(it), f"{_title(it)} was refused {words}: {refused.message}", **facts)
        return failed(check_of(it), f"{_title(it)}: {refused.message}", **facts)
    waits, waiting = InVain(objects, it.name), False
    try:
        finding = _followed(ctx, objects, it, raw, waits, facts, brought)
    except WaitTimeout as late:
        finding, waiting = _late(objects, it, waits, late, facts), True
    if finding.verdict is Verdict.PASSED or (waiting and finding.verdict is Verdict.UNAVAILABLE):
        # What has shown what it is there for, and what waits in vain, makes room for the next.
        objects.delete(_resource(it), it.name)
    return finding


def _late(objects: Objects, it: UserManifest, waits: InVain, late: WaitTimeout, facts: Mapping[str, Any]) -> Finding:
    """What it means that an application did not get where it should; the cause comes first."""
    try:
        pods = of(it.name, objects.spark_pods())
        if _goes_on(objects, it, pods):
            words = (
                f"is RUNNING after {END_SECONDS:.0f} s, so that its end was not seen, with {counted(len(pods), 'pod')}"
            )
            return passed(check_of(it), f"{_title(it)} {words}{_without(facts)}", **facts)
        pulls = [failure for pod, failure in applications.pull_failures(objects) if of(it.name, [pod])]
        if image := own_pods.lacking_image(it, [one for one in pulls if one.is_releases_fault]):
            return unavailable(check_of(it), f"{_title(it)} names {image}; {_NOTHING}", **facts)
        if why := own_pods.blamed(it, [*(one.pod for one in waits.ended), *pods]):
            return unavailable(check_of(it), f"{_title(it)}: {why}; {_NOTHING}", **facts)
        cause = held_up(objects, it.name)
        if cause is not None and cause.outside:
            return unavailable(check_of(it), f"{_title(it)}: {cause.words}; {late.message}", **facts)
        refused = refusals.of_executors(objects.core, objects.namespace, pods)
        why = "".join(f"{words}; " for words in (cause.words if cause else "", *refused[-1:]) if words)
        told = WaitTimeout(f"{_title(it)}: {why}{late.message}")
        return applications.late(objects, check_of(it), told, owner=it.name, **facts)
    except ApiError as away:
        return errored(check_of(it), f"{_title(it)}: {late.message}; the API server does not answer: {away}", **facts)


def _goes_on(objects: Objects, it: UserManifest, pods: Sequence[SparkPod]) -> bool:
    """Whether an application just has not ended yet, as a stream: its driver and its executors run."""
    if it.kind != APPLICATION.kind or it.fails or not pods or any(pod.phase != "Running" for pod in pods):
        return False
    if state_of((objects.get(APPLICATION, it.name) or {}).get("status") or {}) is not State.RUNNING:
        return False
    dynamic = (it.spec.get("dynamicAllocation") or {}).get("enabled") is True
    wanted = 0 if dynamic else (it.spec.get("executor") or {}).get("instances", 1)
    return sum(pod.role == "executor" for pod in pods) >= min(wanted, 1)


def _followed(
    ctx: ScenarioContext,
    objects: Objects,
    it: UserManifest,
    raw: Mapping[str, Any],
    waits: InVain,
    facts: Mapping[str, Any],
    brought: UserManifests,
) -> Finding:
    if it.kind != APPLICATION.kind:
        return _in_place(ctx, objects, it, waits, facts)
    wanted = State.SUSPENDED if it.suspended else State.RUNNING if it.endless else _end_of(it)
    course = follow(
        ctx,
        objects,
        it.name,
        lambda seen: seen.last.state is wanted,
        what=f"SparkApplication {it.name} to be {wanted}",
        seconds=END_SECONDS,
        course=submitted(raw),
        hopeless=waits.hopeless,
    )
    drivers = _drivers(course)
    seen = {**facts, "states": str(course), "drivers": drivers}
    if course.last.state is not wanted:
        log = logs.driver_log(objects.core, objects.namespace, course.last.driver_pod)
        cause = logs.cause_in(log, course.last.error)
        # The status may have only an exit code, where the log tells more.
        why = "; ".join(dict.fromkeys(filter(None, (cause, course.last.cause))))
        ended = causes.chain(log) or cause
        said = f"is {course.last.state}, not {wanted} ({course})"
        told = f"{_title(it)}{f': {why}; it' if why else ''} {said}"
        pods = [*(one.pod for one in waits.ended), *course.pods.values()]
        if mine := own_pods.blamed(it, pods, causes.shortened(ended)):
            return unavailable(check_of(it), f"{_title(it)}: {mine}; {_NOTHING}", **seen, error=course.last.error)
        if lacks := own_lacks.told(it, course.last.error, ended, brought):
            words = f"{_title(it)} {lacks}, so it says nothing of the operator"
            return unavailable(check_of(it), f"{words}: {why}", **seen, error=course.last.error)
        return failed(check_of(it), told, **seen, **({"error": course.last.error} if course.last.error else {}))
    # An attempt that failed and is made again by its restartPolicy has a driver pod of its own.
    allowed = max(1, course.last.execution_attempts)
    if len(drivers) > allowed and not it.endless:
        told = f"is {wanted}, and had {len(drivers)} driver pods in {allowed} attempts ({course})"
        return failed(check_of(it), f"{_title(it)} {told}", **seen)
    return passed(check_of(it), f"{_title(it)} is {wanted} ({course}){_without(facts)}", **seen)


def _in_place(
    ctx: ScenarioContext, objects: Objects, it: UserManifest, waits: InVain, facts: Mapping[str, Any]
) -> Finding:
    """A schedule that the operator has taken up, or a Connect server that is Ready."""
    resource = _resource(it)
    field, wanted = (
        ("state", {"Ready"}) if resource is CONNECT else ("scheduleState", {"Scheduled", "Suspended", INVALID})
    )
    state = _until_state(ctx, objects, resource, waits, it.name, field, wanted)
    if state == INVALID:
        why = str(((objects.get(resource, it.name) or {}).get("status") or {}).get("reason") or "it gave no cause")
        words = f"is {state}, so it says nothing of the operator: correct its schedule or its timeZone"
        return unavailable(check_of(it), f"{_title(it)} {words}: {why}", **facts)
    return passed(check_of(it), f"{_title(it)} is {state}{_without(facts)}", **facts)


def _until_state(
    ctx: ScenarioContext,
    objects: Objects,
    resource: Resource,
    waits: InVain,
    name: str,
    field: str,
    wanted: set[str],
) -> str:
    def look(event: str, raw: Any) -> str | None:
        state = str((raw.get("status") or {}).get(field, ""))
        return state if state in wanted else None

    call, arguments = objects.watched(resource)
    return watch_until(
        call,
        look,
        what=f"{resource.kind} {name} to be {' or '.join(sorted(wanted - {INVALID}))}",
        timeout=ctx.within(_READY_SECONDS),
        describe=lambda raw: f"{raw['metadata']['name']} {(raw.get('status') or {}).get(field) or '(new)'}",
        next_step=f"kubectl describe {resource.plural} -n {objects.namespace} {name}",
        hopeless=waits.hopeless,
        named=name,
        **arguments,
    )


def _end_of(it: UserManifest) -> State:
    return State.FAILED if it.fails else State.COMPLETED


def _resource(it: UserManifest) -> Resource:
    return next(known for known in RESOURCES if known.kind == it.kind)


def _drivers(course: Course) -> list[str]:
    return [pod.uid for pod in course.pods.values() if pod.role == "driver"]


def _title(it: UserManifest) -> str:
    return f"{it.kind} {it.name} of {it.where}"


def _without(facts: Mapping[str, Any]) -> str:
    left_out = facts.get("left_out")
    return f"; without its {', '.join(left_out)}" if left_out else ""
