# SPDX-License-Identifier: Apache-2.0
"""Files about a registry front in the background: how to start it, where it answers, why it failed."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.process_identity import Identity
from harness.registries.front.profile import Limits, Visibility


class Plan(BaseModel):
    """How to start a front; see `Front`. It has no tokens: the front generates them. `control` is its socket;
    the profile may be in `catalogue_dirs`."""

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
    catalogue_dirs: tuple[Path, ...] = ()


class Record(BaseModel):
    """A running front. `pid`, `boot` and `ticks` are its process's (`harness.process_identity.Identity`).

    `tokens` maps a user to the file with that user's token; the tokens themselves are in no record.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    profile: str
    run_id: str
    pid: int
    boot: str
    ticks: int
    address: str
    ca: Path
    control: Path
    log: Path
    tokens: dict[str, Path]

    @property
    def alive(self) -> bool:
        """Whether exactly that process is running."""
        return Identity(pid=self.pid, boot=self.boot, ticks=self.ticks).alive


class Failure(BaseModel):
    """Why a front failed to start: the error's class, message and next step."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    message: str
    next_step: str


FILES: dict[type[BaseModel], str] = {Plan: "plan.json", Record: "front.json", Failure: "failure.json"}
"""The name of each in the front's folder."""


def write(folder: Path, document: Plan | Record | Failure) -> Path:
    """Write one of them atomically."""
    file = folder / FILES[type(document)]
    draft = file.with_suffix(".new")
    draft.write_text(document.model_dump_json())
    return draft.replace(file)
