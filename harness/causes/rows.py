# SPDX-License-Identifier: Apache-2.0
"""Reads clusters/output.toml: which lines of programs are noise, and which ones say why something failed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness import home
from harness.toml_source import Expression, TomlSource

FILE = home.data_root() / "clusters" / "output.toml"
_GROUP = "cause"


class Row(BaseModel):
    """A row of any table; the keys are explained in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    of: str = Field(min_length=1)
    pattern: Expression
    source: str = Field(min_length=1)
    version: str = Field(min_length=1)
    examples: tuple[str, ...] = Field(min_length=1)

    @cached_property
    def expression(self) -> re.Pattern[str]:
        """The pattern, compiled."""
        return re.compile(self.pattern)


class CauseRow(Row):
    """`[[cause]]`."""

    take: Literal["first", "last"] = "last"
    above: int = Field(default=0, ge=0)
    next: int = Field(default=0, ge=0)


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    wrapper: tuple[Row, ...]
    noise: tuple[Row, ...]
    message: tuple[Row, ...]
    cause: tuple[CauseRow, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The catalogue."""

    wrappers: Sequence[Row]
    noise: Sequence[Row]
    messages: Sequence[Row]
    causes: Sequence[CauseRow]

    def without_wrapper(self, line: str) -> str:
        """A line without what a program put in front of another one's output."""
        for row in self.wrappers:
            line = row.expression.sub("", line)
        return line

    def is_noise(self, line: str) -> bool:
        """Whether a line never says why something failed."""
        return any(row.expression.search(line) for row in self.noise)

    def cause_in(self, message: str) -> str:
        """The part of an exception's message that is the cause; empty where nothing is known of such a message."""
        for row in self.messages:
            if match := row.expression.search(message):
                return match[_GROUP]
        return ""


@cache
def load(file: Path = FILE) -> Rows:
    """The catalogue. Raises CatalogueError with file, line and key."""
    written = TomlSource.read(file)
    rows = written.validated(_File)
    for number, row in enumerate(rows.message):
        if _GROUP not in row.expression.groupindex:
            raise written.error("message", number, "pattern", f"it needs a group (?P<{_GROUP}>…)", "name what is told")
    return Rows(wrappers=rows.wrapper, noise=rows.noise, messages=rows.message, causes=rows.cause)
