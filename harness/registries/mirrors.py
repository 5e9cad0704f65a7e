# SPDX-License-Identifier: Apache-2.0
"""The mirror map: which server answers for which registry host, and how containerd is told."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class Mirror(BaseModel):
    """A server that answers for a registry host.

    `url` is what the nodes use (`http://registry-ghcr-io:5000`), `host_url` what this machine uses when that differs.
    `ca` is a PEM file that signs the server's certificate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    host_url: str = ""
    ca: Path | None = None
    username: str = ""
    password: SecretStr = SecretStr("")

    @property
    def reachable_url(self) -> str:
        """The address for this machine."""
        return self.host_url or self.url


class MirrorMap(BaseModel):
    """Registry host (`docker.io`, `ghcr.io`) → Mirror. Empty: nodes pull from the public registries."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirrors: Mapping[str, Mirror] = Field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.mirrors)
