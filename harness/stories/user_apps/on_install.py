# SPDX-License-Identifier: Apache-2.0
"""user-apps on an installed release: the user's own applications run to their ends, all at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.apps import applications, users
from harness.apps.applications import Course, ImagePulls, follow, submitted
from harness.apps.objects import APPLICATION, CONNECT, RESOURCES, Objects, Refused, Resource
from harness.apps.states import State
from harness.apps.trial import trial
from harness.errors import WaitTimeout
from harness.kube.watching import watch_until
from harness.verdicts import Finding, failed, passed

if TYPE_CHECKING:
    from harness.apps.context import ScenarioContext
    from harness.apps.users import UserManifest, UserManifests

_END_SECONDS = 300.0
_READY_SECONDS = 180.0


def run(ctx: ScenarioContext, apps: UserManifests) -> list[Finding]:
    """Submit all of them, and follow each to its end, or to where it is to stay."""
    return trial(ctx, partial(_steps, apps))


def check_of(manifest: UserManifest) -> str:
    """The name of the check of one application."""
    return f"user-app {manifest.name}"


def _steps(apps: UserManifests, ctx: ScenarioContext, objects: Objects) -> Iterator[Finding]:
    made: list[tuple[UserManifest, Mapping[str, Any]]] = []
    first = True
    for it in users.applications(apps):
        # The ConfigMaps come with the first application.
        manifests = users.ready(apps, it, ctx.namespace)
        try:
            (raw,) = objects.create(manifests if first else manifests[-1:])
        except Refused as refused:
            yield failed(check_of(it), f"{_title(it)}: {refused.message}", file=it.where)
        else:
            made.append((it, raw))
        first = False
    for it, raw in made:
        try:
            yield _followed(ctx, objects, it, raw)
        except WaitTimeout as late:
            told = WaitTimeout(f"{_title(it)}: {late.message}")
            yield applications.late(objects, check_of(it), told, owner=it.name, file=it.where)


def _followed(ctx: ScenarioContext, objects: Objects, it: UserManifest, raw: Mapping[str, Any]) -> Finding:
    if it.kind != APPLICATION.kind:
        return _in_place(ctx, objects, it)
    wanted = State.SUSPENDED if it.suspended else State.RUNNING if it.endless else State.COMPLETED
    course = follow(
        ctx,
        objects,
        it.name,
        lambda seen: seen.last.state is wanted,
        what=f"SparkApplication {it.name} to be {wanted}",
        seconds=_END_SECONDS,
        course=submitted(raw),
    )
    drivers = _drivers(course)
    facts = {"file": it.where, "states": str(course), "drivers": drivers}
    if course.last.state is not wanted:
        said = f"is {course.last.state}, not {wanted}: {course.last.error}".rstrip(": ")
        return failed(check_of(it), f"{_title(it)} {said} ({course})", **facts)
    if len(drivers) > 1 and not it.endless:
        return failed(check_of(it), f"{_title(it)} is {wanted}, and had {len(drivers)} driver pods ({course})", **facts)
    return passed(check_of(it), f"{_title(it)} is {wanted} ({course})", **facts)


def _in_place(ctx: ScenarioContext, objects: Objects, it: UserManifest) -> Finding:
    """A schedule that the operator has taken up, or a Connect server that is Ready."""
    resource = next(known for known in RESOURCES if known.kind == it.kind)
    field, wanted = ("state", {"Ready"}) if resource is CONNECT else ("scheduleState", {"Scheduled", "Suspended"})
    state = _until_state(ctx, objects, resource, it.name, field, wanted)
    return passed(check_of(it), f"{_title(it)} is {state}", file=it.where)


def _until_state(
    ctx: ScenarioContext, objects: Objects, resource: Resource, name: str, field: str, wanted: set[str]
) -> str:
    def look(event: str, raw: Any) -> str | None:
        if raw["metadata"]["name"] != name:
            return None
        state = str((raw.get("status") or {}).get(field, ""))
        return state if state in wanted else None

    call, arguments = objects.watched(resource)
    return watch_until(
        call,
        look,
        what=f"{resource.kind} {name} to be {' or '.join(sorted(wanted))}",
        timeout=ctx.within(_READY_SECONDS),
        describe=lambda raw: f"{raw['metadata']['name']} {(raw.get('status') or {}).get(field) or '(new)'}",
        next_step=f"kubectl describe {resource.plural} -n {objects.namespace} {name}",
        hopeless=ImagePulls(objects).hopeless,
        **arguments,
    )


def _drivers(course: Course) -> list[str]:
    return [pod.uid for pod in course.pods.values() if pod.role == "driver"]


def _title(it: UserManifest) -> str:
    return f"{it.kind} {it.name} of {it.where}"
