# SPDX-License-Identifier: Apache-2.0
"""charts/clients.toml: the Python clients of Spark Connect, and what is known to break with them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import Field

from harness.errors import CatalogueError
from harness.matrix.known_rows import matches
from harness.matrix.model import Known
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import Expression, TomlSource

FILE = PROJECT_ROOT / "charts" / "clients.toml"

Role = Literal["server", "newest", "oldest"]
Asks = Literal["queries", "data"]
ASKS: tuple[Asks, ...] = ("queries", "data")

_LINK = r"^https://[^\s/]+/\S+$"


class ConnectClient(Model):
    """`[[client]]`: a client as pip installs it; `sha256` is of its source distribution."""

    role: Role
    package: Literal["pyspark-client", "pyspark"]
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    source: str = Field(pattern=_LINK)

    @property
    def name(self) -> str:
        """Package and version, for people."""
        return f"{self.package} {self.version}"

    def check(self, asks: Asks) -> str:
        """The name of the check on what it asks."""
        return f"client-{self.role}-{asks}"


class ClientBreak(Model):
    """`[[known]]`: a break that is predicted for the client of a role, at `servers` of these versions."""

    client: Role
    servers: tuple[str, ...] = Field(default=("*",), min_length=1)
    asks: Asks
    says: Expression
    why: str = Field(min_length=1)
    link: str = Field(pattern=_LINK)
    way_out: str = Field(min_length=1)


class ConnectClients(Model):
    """The file."""

    client: tuple[ConnectClient, ...] = Field(min_length=1)
    known: tuple[ClientBreak, ...] = ()

    def of_server(self, version: str) -> tuple[ConnectClient, ...]:
        """Those that ask a server of this version. Raises CatalogueError where none of its own version has a row."""
        found = tuple(it for it in self.client if it.role != "server" or it.version == version)
        if all(it.role != "server" for it in found):
            raise CatalogueError(
                f"{FILE} has no client of Spark {version} for a server of that version",
                'add a [[client]] row with role = "server"',
            )
        return found

    def expected(self, scenario: str, server: str) -> Iterator[Known]:
        """The known breaks as the checks of a scenario are judged by them, at a server of this version."""
        rows = {it.role: it for it in self.client}
        for it in self.known:
            if it.client in rows and matches(it.servers, server):
                check = rows[it.client].check(it.asks)
                yield Known(scenario=scenario, check=check, says=it.says, why=it.why, link=it.link, way_out=it.way_out)


def read(file: Path = FILE) -> ConnectClients:
    """A file of clients. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    found = source.validated(ConnectClients)
    names = (f"{it.role} {it.version}" if it.role == "server" else it.role for it in found.client)
    source.require_unique("client", "role", names)
    return found


@cache
def catalogue() -> ConnectClients:
    """The clients of the project. Raises CatalogueError with file, line and key."""
    return read()
