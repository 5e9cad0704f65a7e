# SPDX-License-Identifier: Apache-2.0
"""What is written down of a registry front in the background: how to start it, where it answers, why it does not."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.evidence.ledger import process_is
from harness.registries.front.profile import Limits, Visibility


class Plan(BaseModel):
    """How to start a front; see `Front`. Tokens are not in it: the front makes them. `control` is its socket."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    profile: str
    run_id: str
    binary: Path
    control: Path
    port: int = 0
    addresses: tuple[str, ...] = ()
    packages: dict[str, Visibility]
    users: dict[str, tuple[str, ...]]
    limits: Limits | None = None


class Record(BaseModel):
    """A front that answers. `started` is its process's start time in seconds since the epoch.

    `tokens` maps a user to the file with that user's token; the tokens themselves are in no record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    profile: str
    run_id: str
    pid: int
    started: float
    address: str
    ca: Path
    control: Path
    log: Path
    tokens: dict[str, Path]

    @property
    def alive(self) -> bool:
        """Whether that very process runs."""
        return process_is(self.pid, self.started)


class Failure(BaseModel):
    """Why a front could not answer: the error's class, message and next step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    message: str
    next_step: str


FILES: dict[type[BaseModel], str] = {Plan: "plan.json", Record: "front.json", Failure: "failure.json"}
"""The name of each in the front's folder."""


def write(folder: Path, document: Plan | Record | Failure) -> Path:
    """Write one of them whole: whoever sees the file sees all of it."""
    file = folder / FILES[type(document)]
    draft = file.with_suffix(".new")
    draft.write_text(document.model_dump_json())
    return draft.replace(file)
