# SPDX-License-Identifier: Apache-2.0
"""Submits the user's own applications before and after the moves of a path, and tells what was seen of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from harness.apps import users
from harness.apps.objects import APPLICATION, CONNECT, Objects
from harness.apps.states import State
from harness.apps.users import UserManifest, UserManifests
from harness.upgrades.creations import Creations
from harness.upgrades.recorder import Record, Recorder
from harness.upgrades.workload_seen import (
    ApplicationSeen,
    ConnectSeen,
    Part,
    RefusedCreate,
    ScheduleSeen,
    UsersSeen,
    When,
)

USER_APPS = "user-apps"
"""The namespace of a user's applications."""


_UNDER_WAY = frozenset({State.RUNNING, State.COMPLETED, State.FAILED, State.FAILING, State.SUSPENDED})
"""States of an application that the operator has taken up."""


class Placed(Protocol):
    """What is in a namespace."""

    @property
    def namespace(self) -> str:
        """Its name."""


P = TypeVar("P", bound=Placed)


class Users:
    """The user's applications in the namespace USER_APPS; where there are none, `objects` is None, and all is quiet."""

    def __init__(self, given: UserManifests, objects: Objects | None, creations: Creations, recorder: Recorder) -> None:
        self._given = given
        self._objects = objects
        self._creations = creations
        self._recorder = recorder

    def submit(self, when: When) -> None:
        """Create each; a refusal is noted."""
        if self._objects is None:
            return
        for it in users.applications(self._given):
            manifests = users.ready(self._given, it, USER_APPS, name_of(it, when))
            self._creations.create(self._objects, manifests, Part.USERS, when)

    def under_way(self, when: When) -> dict[str, Callable[[], bool]]:
        """What to wait for: that the operator has taken up each that was accepted."""
        names = {name_of(it, when): it for it in users.applications(self._given)}
        return {
            f"the user's {made.kind} {made.name} to be under way": partial(self._taken_up, made.kind, made.uid)
            for made in self._creations.created()
            if made.part is Part.USERS and made.when is when and made.name in names
        }

    def goes_on(self, record: Record[Any]) -> bool:
        """Whether an application is the user's and has no end: it is started again and again, or stands still."""
        if record.namespace != USER_APPS:
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
        if self._objects is None:
            return None
        return UsersSeen(
            given=users.applications(self._given),
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
    return tuple(it for it in things if it.namespace != USER_APPS)


def _theirs(things: Sequence[P]) -> tuple[P, ...]:
    return tuple(it for it in things if it.namespace == USER_APPS)
