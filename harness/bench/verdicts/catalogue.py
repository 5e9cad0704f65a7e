# SPDX-License-Identifier: Apache-2.0
"""The rows of clusters/verdicts.toml: faults with what must be said of them, and harmless changes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from harness.matrix.names import unknown
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource
from harness.verdicts import Verdict

FILE = PROJECT_ROOT / "clusters" / "verdicts.toml"


class Step(Model):
    """One thing that is done to a cluster from outside; the head of the file explains the keys."""

    do: Literal["patch", "create", "delete", "node", "values", "act"]
    at: str = ""
    change: tuple[dict[str, Any], ...] = ()
    object: dict[str, Any] = Field(default_factory=dict)
    run: str = ""
    undo: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    act: str = ""
    wait: Literal["", "rollout", "new-pod"] = ""
    again: tuple[dict[str, Any], ...] = ()


class Row(Model):
    """A change, and what is looked at with it: the install checks or, by its name, a scenario that runs meanwhile."""

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    what: str
    scenario: str = ""
    step: tuple[Step, ...] = Field(min_length=1)


class Fault(Row):
    """A fault: `check` must have this verdict, with words that match `says`."""

    check: str
    says: str
    verdict: Verdict = Verdict.FAILED


class Harmless(Row):
    """A change that nobody must be told of."""


class Catalogue(Model):
    """All rows, in the order in which they are run."""

    fault: tuple[Fault, ...]
    harmless: tuple[Harmless, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Harmless changes first: a cluster that is spoilt by one of them says so before the faults."""
        return (*self.harmless, *self.fault)

    def only(self, names: Sequence[str]) -> tuple[Row, ...]:
        """The rows of these names, all for none. Raises UsageError for a name that no row has."""
        known = {it.name: it for it in self.rows}
        for name in names:
            if name not in known:
                raise unknown("row", name, known)
        return tuple(it for it in self.rows if not names or it.name in names)


def load(file: Path = FILE) -> Catalogue:
    """The file. Raises CatalogueError with file, line and key."""
    source = TomlSource.read(file)
    found = source.validated(Catalogue)
    source.require_unique("fault", "name", (it.name for it in found.fault))
    source.require_unique("harmless", "name", (it.name for it in found.harmless))
    return found
