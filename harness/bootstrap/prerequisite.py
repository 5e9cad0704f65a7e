# SPDX-License-Identifier: Apache-2.0
"""What the doctor says of one prerequisite, and how it is shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum

from pydantic import BaseModel, ConfigDict
from rich.table import Table
from rich.text import Text

from harness.wording import counted


class Status(StrEnum):
    """The status of a prerequisite, from best to worst."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Prerequisite(BaseModel):
    """One prerequisite: what was found, and how to fix it (empty when it is ok)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Status
    found: str
    remedy: str = ""


def render(prerequisites: Sequence[Prerequisite]) -> Table:
    """A table for people; what is not ok comes with its remedy."""
    table = Table(box=None, pad_edge=False)
    for column in ("prerequisite", "status"):
        table.add_column(column, no_wrap=True)
    table.add_column("found, and remedy", overflow="fold")
    style = {Status.OK: "green", Status.WARNING: "yellow", Status.FAILURE: "red"}
    for it in prerequisites:
        text = Text(it.found)
        if it.remedy:
            text.append(f"\n→ {it.remedy}", style="bold")
        table.add_row(it.name, Text(it.status, style=style[it.status]), text)
    return table


def summary(prerequisites: Sequence[Prerequisite]) -> str:
    """How many are not ok, and what that means for a run."""
    failures, warnings = (
        [it for it in prerequisites if it.status is status] for status in (Status.FAILURE, Status.WARNING)
    )
    if failures:
        return (
            f"{counted(len(failures), 'failure')}, {counted(len(warnings), 'warning')}: fix the failures before a run"
        )
    return f"no failures, {counted(len(warnings), 'warning')}" + (": only some cells need these" if warnings else "")


def as_json(prerequisites: Sequence[Prerequisite]) -> str:
    """The same for programs: an array of objects with name, status, found and remedy."""
    return json.dumps([it.model_dump(mode="json") for it in prerequisites], indent=2)


def ok(name: str, found: str) -> Prerequisite:
    """One that is met."""
    return Prerequisite(name=name, status=Status.OK, found=found)


def warning(name: str, found: str, remedy: str) -> Prerequisite:
    """One that is not met, and that not everything needs."""
    return Prerequisite(name=name, status=Status.WARNING, found=found, remedy=remedy)


def failure(name: str, found: str, remedy: str) -> Prerequisite:
    """One that is not met, and that everything needs."""
    return Prerequisite(name=name, status=Status.FAILURE, found=found, remedy=remedy)
