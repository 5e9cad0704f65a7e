# SPDX-License-Identifier: Apache-2.0
"""The rows of clusters/pulls.toml: cases of pulls that go wrong, and what their user sees."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from harness.registries.front.faults import Fault
from harness.settings import PROJECT_ROOT
from harness.stories.registries.own_registries import Home
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "clusters" / "pulls.toml"

How = Literal["wrong", "empty", "gone", "expired", "revoked", "unscoped", "denied"]
Moment = Literal["install", "upgrade", "scale", "restart"]
Outcome = Literal["stuck", "held"]


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as wrong:
        raise ValueError(f"{text!r} is not a valid regular expression: {wrong}") from wrong
    return text


Expression = Annotated[str, AfterValidator(_expression)]
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


class Rows(_Row):
    """The file."""

    token: tuple[TokenRow, ...] = Field(min_length=1)
    fault: tuple[FaultRow, ...] = Field(min_length=1)
    limit: tuple[LimitRow, ...] = Field(min_length=1)


@cache
def load(file: Path = FILE) -> Rows:
    """All rows. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    rows = source.validated(Rows)
    source.require_unique("token", "name", (it.name for it in rows.token))
    source.require_unique("fault", "name", (it.name for it in rows.fault))
    source.require_unique("limit", "moment", (it.name for it in rows.limit))
    return rows
