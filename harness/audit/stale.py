# SPDX-License-Identifier: Apache-2.0
"""A stale name in a text: where it is, what is wrong with it, and the edits that mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.audit.findings import Finding
from harness.audit.owners import Lines


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What is between two offsets of a text is replaced."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Region:
    """An edit by lines and columns, which count from 1; `end` is the column after the last character."""

    line: int
    column: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Stale:
    """A finding in a file: lines and columns count from 1, `end` is the column after the last character.

    `edits` mend it, all of them together; there are none where only the author can know what to write.
    """

    file: str
    line: int
    column: int
    end: int
    text: str
    finding: Finding
    edits: tuple[Edit, ...] = ()
    regions: tuple[Region, ...] = ()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.finding.rule}: {self.text}: {self.finding}"


def stale_at(
    lines: Lines, file: str, start: int, end: int, finding: Finding, edits: Sequence[Edit] = (), text: str = ""
) -> Stale:
    """A finding about what is between two offsets; `text` is what to show of it, if that is something else."""
    line, column = lines.place(start)
    return Stale(
        file=file,
        line=line,
        column=column,
        end=column + end - start,
        text=text or lines.text[start:end],
        finding=finding,
        edits=tuple(edits),
        regions=tuple(_region(lines, it) for it in edits),
    )


def _region(lines: Lines, edit: Edit) -> Region:
    line, column = lines.place(edit.start)
    return Region(line=line, column=column, end=column + edit.end - edit.start, text=edit.text)
