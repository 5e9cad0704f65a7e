# SPDX-License-Identifier: Apache-2.0
"""Submits the user's own applications before and after the moves of a path, and tells what was seen of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Protocol, TypeVar

from harness.apps import users
from harness.apps.objects import APPLICATION, CONNECT, Objects
from harness.apps.places import places
from harness.apps.samples import chart_values
from harness.apps.states import State
from harness.apps.users import UserManifest, UserManifests
from harness.errors import WaitTimeout
from harness.upgrades.creations import Created, Creations
from harness.upgrades.recorder import Record, Recorder
from harness.upgrades.room import at_once
from harness.upgrades.workload_seen import (
    ApplicationSeen,
    ConnectSeen,
    Part,
    RefusedCreate,
    ScheduleSeen,
    UsersSeen,
    When,
)
from harness.waiting import Deadline, until

RUNNING_APPS, SCHEDULES, SUBMISSIONS = "running-apps", "schedules", "submissions"
NAMESPACES = (RUNNING_APPS, SCHEDULES, SUBMISSIONS)
"""The job namespaces of the applications that are no user's."""

_UNDER_WAY = frozenset({State.RUNNING, State.COMPLETED, State.FAILED, State.FAILING, State.SUSPENDED})
"""States of an application that the operator has taken up."""


_LOADING_SECONDS = 60.0
"""So long at most does a driver that runs load its host by its start: one without executors has no other end of it."""


class Placed(Protocol):
    """What is in a namespace."""

    @property
    def namespace(self) -> str:
        """Its name."""


P = TypeVar("P", bound=Placed)


class Users:
    """The user's applications, each in its place under `account`; `objects` are the namespaces by name.

    Where there are none, all is quiet.
    """

    def __init__(
        self,
        given: UserManifests,
        objects: Mapping[str, Objects],
        creations: Creations,
        recorder: Recorder,
        *,
        account: str = "",
    ) -> None:
        self._given = given
        self._places = places(given)
        self._objects = objects
        self._creations = creations
        self._recorder = recorder
        self._account = account or chart_values().service_account

    def submit(self, when: When, patience: float = 0.0) -> None:
        """Create each; a refusal is noted. Raises Cancelled.

        While some of them are still being started, the next one waits, since a submission and a start of Spark take all
        that a small machine has; but all of them together wait no longer than `patience`, in seconds.
        """
        deadline = Deadline(seconds=patience)
        for place in self._places:
            helpers = [users.helper(it, place.namespace) for it in place.helpers.values()]
            for it in place.applications:
                made, _ = users.ready(it, place.namespace, self._account, name_of(it, when))
                if place.lacking(it):
                    continue
                with suppress(WaitTimeout):
                    until(
                        lambda: self._starting(when) < at_once(),
                        what="the user's applications to be under way",
                        timeout=deadline.left,
                    )
                self._creations.create(self._objects[place.namespace], [*helpers, made], Part.USERS, when)

    def _starting(self, when: When) -> int:
        """How many were accepted and are not under way yet, or have a driver that starts, in a run of a schedule or
        once more, too: a JVM keeps more than a processor busy until its executors run.
        """
        waiting = {(it.namespace, it.name) for it in self._accepted(when) if not self._taken_up(it.kind, it.uid)}
        pods = [(namespace, it) for namespace, it in self._recorder.pods() if of_users(namespace)]
        served = {(namespace, it.application) for namespace, it in pods if it.role == "executor" and it.started_at}
        since = datetime.now(UTC) - timedelta(seconds=_LOADING_SECONDS)
        loading = {
            (namespace, it.application)
            for namespace, it in pods
            if it.role == "driver" and it.is_live and it.gone is None and it.created > since
        }
        return len(waiting | (loading - served))

    def under_way(self, when: When) -> dict[str, Callable[[], bool]]:
        """What to wait for: that the operator has taken up each that was accepted."""
        return {
            f"the user's {made.kind} {made.name} to be under way": partial(self._taken_up, made.kind, made.uid)
            for made in self._accepted(when)
        }

    def _accepted(self, when: When) -> list[Created]:
        names = {name_of(it, when) for it in users.applications(self._given)}
        return [
            it for it in self._creations.created() if it.part is Part.USERS and it.when is when and it.name in names
        ]

    def goes_on(self, record: Record[Any]) -> bool:
        """Whether an application is the user's and has no end: it is started again and again, or stands still."""
        if not of_users(record.namespace):
            return False
        spec = record.raw.get("spec") or {}
        return (spec.get("restartPolicy") or {}).get("type") == "Always" or bool(spec.get("suspend"))

    def seen(
        self,
        applications: Sequence[ApplicationSeen],
        schedules: Sequence[ScheduleSeen],
        connects: Sequence[ConnectSeen],
        refused: Sequence[RefusedCreate],
    ) -> UsersSeen | None:
        """Of all that was seen the user's; None where there are no applications of a user."""
        if not self._given:
            return None
        return UsersSeen(
            given=users.applications(self._given),
            namespaces={it.where: place.namespace for place in self._places for it in place.applications},
            lacks={
                it.where: lacking
                for place in self._places
                for it in place.applications
                if (lacking := place.lacking(it))
            },
            applications=_theirs(applications),
            schedules=_theirs(schedules),
            connects=_theirs(connects),
            refused=_theirs(refused),
        )

    def _taken_up(self, kind: str, uid: str) -> bool:
        if kind == APPLICATION.kind:
            looks = next((it.looks for it in self._recorder.applications() if it.uid == uid), [])
            return bool(looks) and looks[-1].state in _UNDER_WAY
        if kind == CONNECT.kind:
            return any(it.uid == uid and it.looks and it.looks[-1].state == "Ready" for it in self._recorder.connects())
        return any(it.uid == uid and it.looks and it.looks[-1].state for it in self._recorder.schedules())


def name_of(manifest: UserManifest, when: When) -> str:
    """The name under which an application is submitted before, or after the moves."""
    return users.name_after(manifest.name) if when is When.AFTER else manifest.name


def own(things: Sequence[P]) -> tuple[P, ...]:
    """Those that are not the user's."""
    return tuple(it for it in things if not of_users(it.namespace))


def of_users(namespace: str) -> bool:
    """Whether a namespace is one of those for applications of a user."""
    return namespace not in NAMESPACES


def _theirs(things: Sequence[P]) -> tuple[P, ...]:
    return tuple(it for it in things if of_users(it.namespace))
