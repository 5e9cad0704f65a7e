# SPDX-License-Identifier: Apache-2.0
"""artifact.json, the record of a stored artefact, and the other artefacts that its inputs name."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

FILE = "artifact.json"

_KEY = re.compile(r"[0-9a-f]{12}")
# Some programs of a module alone: `harness.foundry.gobuild.recipe` adds them to the inputs.
_PROGRAMS = "programs"


class Record(BaseModel):
    """What the store wrote of an artefact. `seconds` is what its build took, `size` is in bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    name: str
    key: str
    inputs: dict[str, str]
    created: str
    seconds: float
    size: int

    @property
    def title(self) -> str:
        """Kind and name, as people call it."""
        return f"{self.kind} {self.name}"


def digest_of(inputs: Mapping[str, str]) -> str:
    """The SHA-256 of a recipe's inputs, of which its key is the beginning."""
    return hashlib.sha256(json.dumps(dict(inputs), sort_keys=True).encode()).hexdigest()


def read(folder: Path) -> Record:
    """The record in an artefact's folder."""
    return Record.model_validate_json((folder / FILE).read_text())


def parts(root: Path, record: Record) -> dict[str, Path | None]:
    """The artefacts below `root` that the inputs name by their keys: input → folder, None for one that is not there."""
    return {name: _by_key(root, value) for name, value in record.inputs.items() if _KEY.fullmatch(value)}


def _by_key(root: Path, key: str) -> Path | None:
    whole = [path.parent for path in root.glob(f"*/*-{key}/{FILE}")]
    return whole[0] if whole else next(_some_programs(root, key), None)


def _some_programs(root: Path, key: str) -> Iterator[Path]:
    """Builds of only some programs of the module whose key this is."""
    for path in root.glob(f"go/*/{FILE}"):
        inputs = read(path.parent).inputs
        if inputs.pop(_PROGRAMS, None) and digest_of(inputs).startswith(key):
            yield path.parent
