# SPDX-License-Identifier: Apache-2.0
"""Every error that a user can meet, each with what to do next and an exit status.

HarnessError (3)
├── UsageError (2)            wrong names, contradictory options
│   ├── SettingsError         harness.toml, environment variables
│   └── CatalogueError        an invalid row of clusters/ or charts/
├── HostError (3)             a problem of this machine
│   ├── EngineError           no container engine, or no permission to use it
│   ├── ToolError             kind, Helm or kubectl missing or unusable
│   └── DiskError             too little free disk space
├── CommandError (3)          a program ended with a status other than 0
│   └── CommandTimeout
├── BuildError (3)            the foundry could not build an artefact
├── UnavailableError (3)      an input is not available: image, chart, package
│   ├── RegistryError         a registry refused, failed or did not answer
│   └── UnaskedError          nobody said which registry is to be asked
├── ClusterError (3)          a cluster could not be created, or disappeared
├── ApiError (3)              an API server refused a request
│   └── ApiServerAway         an API server did not answer
├── ReleaseError (3)          Helm refused or failed
├── PullError (3)             an image or a chart could not be pulled, and neither it nor the release is to blame
└── WaitTimeout (3)           a condition was not met in time
"""

from __future__ import annotations

import json
from typing import ClassVar

from harness.invocation import here


class HarnessError(Exception):
    """Base of all errors that the harness raises on purpose.

    `message` says what was being done and what happened; `next_step` what the user can do about it.
    """

    exit_status: ClassVar[int] = 3

    def __init__(self, message: str, next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.next_step = here(next_step)

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.next_step}" if self.next_step else self.message


class UsageError(HarnessError):
    """The command line asks for something that does not exist or contradicts itself."""

    exit_status = 2


class SettingsError(UsageError):
    """harness.toml or an environment variable has an invalid value."""


class CatalogueError(UsageError):
    """A row under clusters/ or charts/ is wrong."""


class HostError(HarnessError):
    """This machine lacks something."""


class EngineError(HostError):
    """The container engine is missing, stopped, or refuses this user."""


class ToolError(HostError):
    """A program that the harness drives is missing or unusable."""


class DiskError(HostError):
    """There is too little free disk space."""


class CommandError(HarnessError):
    """A program ended with a status other than 0.

    `returncode`, `stdout` and `stderr` hold its result (already redacted).
    """

    def __init__(
        self, message: str, next_step: str = "", *, returncode: int = -1, stdout: str = "", stderr: str = ""
    ) -> None:
        super().__init__(message, next_step)
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr


class CommandTimeout(CommandError):
    """A program was terminated because it exceeded its timeout."""


class BuildError(HarnessError):
    """The foundry could not build an artefact; the message names the log."""


class UnavailableError(HarnessError):
    """An input is not available from the chosen source."""


class RegistryError(UnavailableError):
    """A registry refused, failed or could not be reached. `status` is the HTTP status, 0 when there was none."""

    def __init__(self, message: str, next_step: str = "", *, status: int = 0) -> None:
        super().__init__(message, next_step)
        self.status = status


class UnaskedError(UnavailableError):
    """Nobody said which registry the nodes of a user's cluster have an image from."""


class ClusterError(HarnessError):
    """A cluster could not be created, or disappeared."""


class ApiError(HarnessError):
    """An API server answered a request with an error. `status` is the HTTP status, 0 when nothing answered.

    `reason` is its phrase, or why nothing answered; `body` is the answer, which `said` has in words.
    """

    def __init__(self, message: str, next_step: str = "", *, status: int = 0, reason: str = "", body: str = "") -> None:
        super().__init__(message, next_step)
        self.status = status
        self.reason = reason
        self.body = body

    @property
    def said(self) -> str:
        """The message of the Status object in the answer, else the answer, else the reason."""
        try:
            return str(json.loads(self.body or "{}").get("message") or self.reason)
        except (ValueError, AttributeError):
            return self.body or self.reason

    @property
    def brief(self) -> str:
        """Status and reason, or why nothing answered."""
        return f"{self.status} {self.reason}" if self.status else self.reason


class ApiServerAway(ApiError):
    """An API server cannot be reached, or does not answer in time."""


class ReleaseError(HarnessError):
    """Helm refused the chart or failed to install it."""


class PullError(HarnessError):
    """An image or a chart could not be pulled because of the network, a registry, the node, a login, or an unknown
    cause."""


class WaitTimeout(HarnessError):
    """A condition was not met before its deadline. `last_seen` describes the last observation."""

    def __init__(self, message: str, next_step: str = "", *, last_seen: str = "") -> None:
        super().__init__(message, next_step)
        self.last_seen = last_seen
