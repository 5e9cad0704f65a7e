# SPDX-License-Identifier: Apache-2.0
"""Which container engine it is that answers, so that a ledger can say where its run's containers are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class EngineMark:
    """Which container engine: its id, the host's name, its data's folder, and how it is reached, as a variable's value.

    `reached` is `DOCKER_HOST=…` or `DOCKER_CONTEXT=…`, empty for this machine's own.
    """

    id: str = ""
    host: str = ""
    root: str = ""
    reached: str = ""

    def is_same(self, other: EngineMark) -> bool:
        """Whether both are one engine, as far as is known.

        Podman gives itself another id with each answer. Docker up to 20.10 has its id from /etc/docker/key.json, which
        all engines of a host share, so that their data's folders tell them apart.
        """
        if not (self.host and other.host):
            return True
        return (bool(self.id) and (self.id, self.root) == (other.id, other.root)) or self._place == other._place

    @property
    def _place(self) -> tuple[str, str, str]:
        return self.host, self.root, self.reached


NO_ENGINE = EngineMark()
"""Of an engine nothing is known."""


def mark_of(info: Mapping[str, Any]) -> EngineMark:
    """The engine of an answer of `docker info --format '{{json .}}'`; without a host for an answer of none."""
    client = info.get("ClientInfo")
    context = str(client.get("Context", "")) if isinstance(client, Mapping) else ""
    return EngineMark(
        id=str(info.get("ID") or ""),
        host=str(info.get("Name") or ""),
        root=str(info.get("DockerRootDir") or ""),
        reached=_reached(context),
    )


def _reached(context: str) -> str:
    host = os.environ.get("DOCKER_HOST", "")
    if host:
        return f"DOCKER_HOST={host}"
    return f"DOCKER_CONTEXT={context}" if context not in ("", "default") else ""
