# SPDX-License-Identifier: Apache-2.0
"""How the applications of a path stand at this moment, by what was created and what the watches have seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.apps.states import TERMINAL, State
from harness.upgrades.creations import Creations
from harness.upgrades.recorder import Record, Recorder
from harness.upgrades.user_apps import RUNNING_APPS, SCHEDULES, Users, of_users
from harness.upgrades.workload_seen import Look, Part


class ApplicationStates:
    """Answers at once, from memory, to any thread. Only `all_ended` and `unfinished` know of a user's applications."""

    def __init__(self, recorder: Recorder, creations: Creations, users: Users) -> None:
        self._recorder = recorder
        self._creations = creations
        self._users = users

    def was_created(self, name: str) -> bool:
        """Whether an object of our own with this name was accepted."""
        return any(it.name == name and not of_users(it.namespace) for it in self._creations.created())

    def application(self, name: str) -> Record[Look] | None:
        """An application of the namespace running-apps."""
        mine = [it for it in self._recorder.applications() if it.namespace == RUNNING_APPS and it.name == name]
        return mine[-1] if mine else None

    def is_in(self, name: str, state: State) -> bool:
        """Whether an application of the namespace running-apps is in a state."""
        seen = self.application(name)
        return seen is not None and bool(seen.looks) and seen.looks[-1].state is state

    def seconds_of(self, name: str) -> float:
        """How long an application of the namespace running-apps took from its creation to what was seen last of it."""
        seen = self.application(name)
        return (seen.looks[-1].at - seen.created).total_seconds() if seen is not None and seen.looks else 0.0

    def executor_runs(self) -> bool:
        """Whether the long application is RUNNING with an executor."""
        pods = [
            pod for namespace, pod in self._recorder.pods() if namespace == RUNNING_APPS and pod.application == "long"
        ]
        running = any(it.role == "executor" and it.phase == "Running" for it in pods)
        return self.is_in("long", State.RUNNING) and running

    def runs(self, schedule: str) -> list[Record[Look]]:
        """The runs of a schedule."""
        return [it for it in self._recorder.applications() if it.schedule == schedule and it.namespace == SCHEDULES]

    def run_ended(self, schedule: str) -> bool:
        """Whether a run of a schedule has ended; one that was refused has none to wait for."""
        return not self.was_created(schedule) or any(_ended(it) for it in self.runs(schedule))

    def has_history(self, schedule: str) -> bool:
        """Whether a schedule has ever listed a run that was COMPLETED."""
        mine = [it for it in self._recorder.schedules() if it.name == schedule and it.namespace == SCHEDULES]
        return any(look.past_successful for it in mine for look in it.looks)

    def server(self, name: str) -> Mapping[str, Any] | None:
        """The status of a Connect server."""
        mine = (it for it in self._recorder.connects() if it.name == name and not of_users(it.namespace))
        return next((it.raw.get("status") or {} for it in mine), None)

    def ready(self, name: str) -> bool:
        """Whether a Connect server is Ready."""
        return (self.server(name) or {}).get("state") == "Ready"

    def server_ready(self, name: str) -> bool:
        """The same; one that was refused is not waited for."""
        return not self.was_created(name) or self.ready(name)

    def small_under_way(self) -> int:
        """How many of the submitter's applications were accepted and have not ended."""
        ended = {it.uid for it in self._recorder.applications() if it.gone is not None or _ended(it)}
        return sum(it.part is Part.SMALL and it.uid not in ended for it in self._creations.created())

    def starting(self) -> int:
        """How many of our own were accepted and neither run nor wait nor have ended: each keeps a processor busy."""
        known = self._recorder.applications()
        settled = {it.uid for it in known if it.gone is not None or _settled(it)}
        mine = {
            it.uid for it in self._creations.created() if it.kind == "SparkApplication" and it.part is not Part.USERS
        }
        runs = {it.uid for it in known if it.schedule and not of_users(it.namespace)}
        return len((mine | runs) - settled)

    def all_ended(self) -> bool:
        """Whether every application that has an end came to it. Runs of schedules come for ever, and do not count."""
        known = {it.uid for it in self._recorder.applications()}
        missing = [it for it in self._creations.created() if it.kind == "SparkApplication" and it.uid not in known]
        return not missing and all(
            it.schedule or it.gone is not None or _ended(it) or self._users.goes_on(it)
            for it in self._recorder.applications()
        )

    def unfinished(self) -> str:
        """Every application without an end, with its state."""
        states = [
            f"{it.namespace}/{it.name} {(it.looks[-1].state or '(new)') if it.looks else '(never seen)'}"
            for it in self._recorder.applications()
            if it.gone is None and not _ended(it)
        ]
        return ", ".join(states) or "no application is unfinished"


_STARTING = frozenset({State.NEW, State.SUBMITTED, State.RESUMING})


def _settled(record: Record[Look]) -> bool:
    return bool(record.looks) and record.looks[-1].state not in _STARTING


def _ended(record: Record[Look]) -> bool:
    return bool(record.looks) and record.looks[-1].state in TERMINAL
