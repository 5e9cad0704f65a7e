# SPDX-License-Identifier: Apache-2.0
"""Local registries that run in the background: started, listed and removed by `harness registry`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError
from rich.table import Table

from harness.errors import HostError
from harness.evidence.ledger import process_is
from harness.settings import Settings

_RECORD = "front.json"


class Record(BaseModel):
    """What is written down of a local registry. `started` is its process's start time in seconds since the epoch.

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


def fronts_folder(settings: Settings) -> Path:
    """Where each local registry has a folder."""
    return settings.cache_dir / "fronts"


def recorded(settings: Settings) -> list[Record]:
    """The local registries of this cache, by name. Raises HostError when a record is not one."""
    found = []
    for file in sorted(fronts_folder(settings).glob(f"*/{_RECORD}")):
        try:
            found.append(Record.model_validate_json(file.read_bytes()))
        except (ValidationError, OSError) as wrong:
            raise HostError(f"{file} is no record of a local registry", f"remove {file.parent}") from wrong
    return found


def table(records: Sequence[Record]) -> Table:
    """The local registries as people read them."""
    shown = Table(title="Local registries", title_justify="left")
    for name in ("name", "profile", "address", "state", "CA"):
        shown.add_column(name, overflow="fold")
    for it in records:
        shown.add_row(it.name, it.profile, it.address, "up" if it.alive else "ended", str(it.ca))
    return shown
