# SPDX-License-Identifier: Apache-2.0
"""The rows of clusters/pulls.toml: cases of pulls that go wrong, and what their user sees."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.errors import CatalogueError
from harness.matrix.versions import within
from harness.registries.front.faults import Fault
from harness.settings import PROJECT_ROOT
from harness.stories.registries.own_registries import Home
from harness.toml_source import Expression, TomlSource

FILE = PROJECT_ROOT / "clusters" / "pulls.toml"

How = Literal["wrong", "empty", "gone", "expired", "revoked", "unscoped", "denied"]
Moment = Literal["install", "upgrade", "scale", "restart"]
Outcome = Literal["stuck", "held"]


Expression = Expression
"""A regular expression."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TokenRow(_Row):
    """An invalid pull secret; the keys are explained in clusters/pulls.toml."""

    name: str
    how: How
    says: Expression
    cause: str
    warns: str = ""
    node: Expression = ""
    beside: Literal["answers", "unasked"] = "answers"
    everywhere: bool = True


class FaultRow(_Row):
    """A registry that fails; the keys are explained in clusters/pulls.toml."""

    name: str
    fault: Fault
    outcome: Outcome
    says: Expression = ""
    cause: str = ""

    @model_validator(mode="after")
    def _complete(self) -> FaultRow:
        if (self.outcome == "stuck") != bool(self.says and self.cause):
            raise ValueError(f"{self.name}: a pull that is stuck needs says and cause, one that holds has neither")
        return self


class LimitRow(_Row):
    """A moment at which no pull is left; the keys are explained in clusters/pulls.toml."""

    moment: Moment
    home: Home
    outcome: Outcome

    @property
    def name(self) -> str:
        """`scale-docker.io`."""
        return f"{self.moment}-{self.home}"


class HeldRow(_Row):
    """A private image that is in the node; the keys are explained in clusters/pulls.toml."""

    how: Literal["preloaded", "pulled"]
    since: str
    until: str = ""
    outcome: Outcome
    says: Expression = ""
    cause: str = ""
    source: str = Field(pattern=r"^https://[^\s/]+/\S+$")

    @model_validator(mode="after")
    def _complete(self) -> HeldRow:
        if (self.outcome == "stuck") != bool(self.says and self.cause):
            raise ValueError(f"{self.how}: a pull that is stuck needs says and cause, one that holds has neither")
        return self


class Rows(_Row):
    """The file."""

    token: tuple[TokenRow, ...] = Field(min_length=1)
    fault: tuple[FaultRow, ...] = Field(min_length=1)
    limit: tuple[LimitRow, ...] = Field(min_length=1)
    held: tuple[HeldRow, ...] = Field(min_length=1)

    def held_by(self, how: str, version: str) -> HeldRow:
        """The row for this version of the kubelet, `1.34.4`. Raises CatalogueError when there is none, or two."""
        minor = ".".join(version.split(".")[:2])
        found = [it for it in self.held if it.how == how and within(minor, it.since, it.until)]
        if len(found) != 1:
            raise CatalogueError(
                f"{FILE}: {len(found)} rows say what becomes of a {how} image with Kubernetes {minor}",
                "let since and until of [[held]] cover each version once",
            )
        return found[0]


@cache
def load(file: Path = FILE) -> Rows:
    """All rows. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    rows = source.validated(Rows)
    source.require_unique("token", "name", (it.name for it in rows.token))
    source.require_unique("fault", "name", (it.name for it in rows.fault))
    source.require_unique("limit", "moment", (it.name for it in rows.limit))
    return rows
