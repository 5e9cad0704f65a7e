# SPDX-License-Identifier: Apache-2.0
"""What was seen of the applications that run while an operator is upgraded.

All times are UTC by the clock of the host, which its node containers share; those that Kubernetes wrote (a creation, a
container's end) are to the second.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from harness import causes
from harness.apps.pods import SparkPod
from harness.apps.states import TERMINAL, State
from harness.apps.users import UserManifests


class Part(StrEnum):
    """What an application is there for."""

    ENDED = "completed"
    LONG = "long"
    SUSPENDED = "suspended"
    RETRYING = "retrying"
    SMALL = "small"
    RUN = "run"
    """A run of a schedule."""
    NEW = "new"
    USERS = "users"


class When(StrEnum):
    """When an application was submitted: before the first move, between it and the last one's end, or after that."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, kw_only=True)
class Look:
    """A SparkApplication's status from this moment on, until the next look."""

    at: datetime
    state: State
    submission: str = ""
    execution_attempts: int = 0
    submission_attempts: int = 0
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class ApplicationSeen:
    """One SparkApplication that the API server accepted: its looks oldest first, and its pods by their creation.

    `created` is when it was asked for (of a run of a schedule, its creation timestamp); `gone` is when its deletion was
    seen. `output` is what its driver announced (`held: …`), where that was read, and `driver_said` the cause that the
    log of a failed driver names.
    """

    namespace: str
    name: str
    uid: str
    part: Part
    when: When
    created: datetime
    looks: tuple[Look, ...] = ()
    pods: tuple[SparkPod, ...] = ()
    schedule: str = ""
    gone: datetime | None = None
    output: tuple[str, ...] = ()
    driver_said: str = ""

    @property
    def state(self) -> State:
        """The state that was seen last."""
        return self.looks[-1].state if self.looks else State.NEW

    @property
    def error(self) -> str:
        """The last error message of its status."""
        return next((look.error for look in reversed(self.looks) if look.error), "")

    @property
    def outcome(self) -> str:
        """The state that was seen last, with the cause in the error of its status."""
        return f"{self.state or '(new)'}" + (f" ({self.cause})" if self.cause else "")

    @property
    def cause(self) -> str:
        """What went wrong, in a line: what its driver said, then the last error message of its status; empty where
        neither says anything.
        """
        return "; ".join(filter(None, (self.driver_said, causes.told(self.error, ""))))

    @property
    def ended(self) -> bool:
        """Whether it reached COMPLETED or FAILED."""
        return self.state in TERMINAL

    @property
    def drivers(self) -> tuple[SparkPod, ...]:
        """Its driver pods."""
        return tuple(pod for pod in self.pods if pod.role == "driver")

    @property
    def executors(self) -> tuple[SparkPod, ...]:
        """Its executor pods."""
        return tuple(pod for pod in self.pods if pod.role == "executor")

    @property
    def history(self) -> tuple[State, ...]:
        """Its states in order, each once in a row."""
        found: list[State] = []
        for look in self.looks:
            if not found or found[-1] is not look.state:
                found.append(look.state)
        return tuple(found)

    def at(self, moment: datetime) -> Look | None:
        """Its status at a moment; None when it was not there yet."""
        return next((look for look in reversed(self.looks) if look.at <= moment), None)

    def since(self, moment: datetime) -> tuple[Look, ...]:
        """The looks after a moment."""
        return tuple(look for look in self.looks if look.at > moment)


@dataclass(frozen=True, kw_only=True)
class RefusedCreate:
    """An object that was not accepted, in the words of the API server. `answered` is how many seconds that took."""

    at: datetime
    namespace: str
    kind: str
    name: str
    part: Part
    when: When
    words: str
    answered: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ScheduleLook:
    """A ScheduledSparkApplication's status from this moment on."""

    at: datetime
    state: str
    last_run: datetime | None = None
    last_run_name: str = ""
    next_run: datetime | None = None
    past_successful: tuple[str, ...] = ()
    past_failed: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class ScheduleSeen:
    """A ScheduledSparkApplication that fires every `every` seconds. `runs` in the order of their creation.

    `watched_until` is the last moment for which its runs are known: when it was suspended, or the path's end. A slot
    that was promised is a `next_run` of its looks.
    """

    namespace: str
    name: str
    uid: str
    part: Part
    when: When
    every: float
    keeps_successful: int
    keeps_failed: int
    created: datetime
    watched_until: datetime
    looks: tuple[ScheduleLook, ...] = ()
    runs: tuple[ApplicationSeen, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ConnectLook:
    """A SparkConnect's status from this moment on."""

    at: datetime
    state: str
    server_pod: str = ""


@dataclass(frozen=True, kw_only=True)
class Query:
    """A real client's query: what it printed as its answer; empty when it got none, with the ends of both logs."""

    at: datetime
    when: When
    seconds: float
    wanted: str
    answer: str
    log_end: str = ""
    server_log_end: str = ""

    @property
    def right(self) -> bool:
        """Whether the answer is the one that was to be computed."""
        return bool(self.answer) and self.answer.startswith(self.wanted)

    @property
    def fault(self) -> str:
        """Of one that is not right: the answer, else what the client's log says went wrong."""
        return self.answer or causes.told(self.log_end)

    @property
    def server_fault(self) -> str:
        """Why the server did not answer, in the words of its log; empty where it has none."""
        return causes.found(self.server_log_end)


@dataclass(frozen=True, kw_only=True)
class ConnectSeen:
    """A SparkConnect server: its looks, its pods and the queries that it was asked."""

    namespace: str
    name: str
    uid: str
    part: Part
    when: When
    created: datetime
    looks: tuple[ConnectLook, ...] = ()
    pods: tuple[SparkPod, ...] = ()
    queries: tuple[Query, ...] = ()

    @property
    def state(self) -> str:
        """The state that was seen last."""
        return self.looks[-1].state if self.looks else ""

    @property
    def servers(self) -> tuple[SparkPod, ...]:
        """Its server pods."""
        return tuple(pod for pod in self.pods if pod.role == "connect-server")


@dataclass(frozen=True, kw_only=True)
class UsersSeen:
    """What was seen of the user's own applications: `given` are those of the files, each submitted before and after.

    By the place in its file, `namespaces` says where an application was, `lacks` what it cannot run without
    and nobody has.
    """

    given: UserManifests
    namespaces: Mapping[str, str] = field(default_factory=dict)
    lacks: Mapping[str, str] = field(default_factory=dict)
    applications: tuple[ApplicationSeen, ...] = ()
    schedules: tuple[ScheduleSeen, ...] = ()
    connects: tuple[ConnectSeen, ...] = ()
    refused: tuple[RefusedCreate, ...] = ()


NEW_CONNECT = "new-connect"
"""The SparkConnect that comes after the last move."""


@dataclass(frozen=True, kw_only=True)
class WorkloadSeen:
    """All applications of a path, from before its first move to after its last.

    `watched_from` and `watched_until` bound what is known. `waited` has what was waited for in vain, in words;
    `trouble` why something could not be watched for a while. `seconds` says how long each phase took. `absent` says
    which part is not there and why (`suspended`: the release 2.2.1 has no spec.suspend), and that a SparkConnect which
    is there has no controller (NEW_CONNECT).
    """

    watched_from: datetime
    watched_until: datetime
    applications: tuple[ApplicationSeen, ...] = ()
    schedules: tuple[ScheduleSeen, ...] = ()
    connects: tuple[ConnectSeen, ...] = ()
    refused: tuple[RefusedCreate, ...] = ()
    waited: tuple[str, ...] = ()
    trouble: tuple[str, ...] = ()
    absent: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    users: UsersSeen | None = None
    """Not among the others: what the user's applications do is no matter of the claims about our own."""

    asked_every: float = 0.0
    """Seconds between two applications of the submitter."""

    def of(self, part: Part) -> tuple[ApplicationSeen, ...]:
        """The applications of one part."""
        return tuple(application for application in self.applications if application.part is part)
