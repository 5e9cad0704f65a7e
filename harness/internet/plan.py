# SPDX-License-Identifier: Apache-2.0
"""What the process in the namespaces is told: where the internet's content is, and what to do in its machine."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.internet.link import Link


class Plan(BaseModel):
    """`storage` has a folder for each registry host, `charts` the pages of the Helm repository; `folder` takes logs and
    everything of the machine.

    The public node images of `environments` are made to trust the internet's CA. `shown` are folders below /tmp that
    the machine sees, which has a /tmp of its own. Either `argv` is run in it, or `steps` of the rehearsal are.
    Without a `link` the registries are as near as they can be.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path
    storage: Path
    charts: Path
    registry: Path
    coredns: Path
    environments: tuple[str, ...]
    environment: dict[str, str]
    shown: tuple[Path, ...] = ()
    argv: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()
    link: Link | None = None

    @property
    def work(self) -> Path:
        """The folder in which programs run in the machine."""
        return self.folder / "machine" / "work"

    @property
    def log(self) -> Path:
        """The requests to everything in the internet, one JSON object a line, once it has ended."""
        return self.folder / "requests.jsonl"
