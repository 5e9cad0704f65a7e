# SPDX-License-Identifier: Apache-2.0
"""A catalogue file as it was written: its rows as data, and the line in which a key of a row stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from harness.errors import CatalogueError
from harness.matrix.model import Model

_Row = TypeVar("_Row", bound=Model)


@dataclass(frozen=True, kw_only=True)
class Written:
    """A TOML file and its text. Made up by tests, it has neither, and every line is 1."""

    file: Path = Path("catalogue.toml")
    text: str = ""

    @classmethod
    def read(cls, file: Path) -> Written:
        """The file. Raises CatalogueError when it does not exist or is no text."""
        try:
            return cls(file=file, text=file.read_text())
        except FileNotFoundError as missing:
            raise CatalogueError(f"{file} does not exist", "check it out again; it belongs to the project") from missing
        except UnicodeDecodeError as broken:
            raise CatalogueError(f"{file} is not valid TOML: {broken}", "correct that line") from broken

    def data(self) -> Mapping[str, Any]:
        """What the file says, not to be changed. Raises CatalogueError."""
        try:
            return _parsed(self.text)
        except tomllib.TOMLDecodeError as broken:
            raise CatalogueError(f"{self.file} is not valid TOML: {broken}", "correct that line") from broken

    def rows(self, table: str, model: type[_Row]) -> tuple[_Row, ...]:
        """The `[[table]]` rows; none where the file has none. Raises CatalogueError with file, line and key."""
        rows: list[_Row] = []
        for number, values in enumerate(self.data().get(table, [])):
            try:
                rows.append(model.model_validate(values))
            except ValidationError as invalid:
                raise self.invalid(invalid, model, (table, number)) from invalid
        return tuple(rows)

    def where(self, table: str, row: int, key: str) -> str:
        """How an error names a key: file, line, key."""
        return f"{self.file}, line {line_of(self.text, table, row, key)}: key {key or f'[{table}]'}: "

    def error(self, table: str, row: int, key: str, why: str, next_step: str = "") -> CatalogueError:
        """The error for a key of the row-th `[[table]]`."""
        return CatalogueError(
            self.where(table, row, key) + why,
            next_step or f"correct that row; the head of {self.file.name} explains it",
        )

    def invalid(self, error: ValidationError, model: type[Model], prefix: tuple[str | int, ...] = ()) -> CatalogueError:
        """The error for what pydantic says about a row; `model` is the one whose keys are listed."""
        problems = []
        for problem in error.errors():
            location = (*prefix, *problem["loc"])
            table, *keys = [part for part in location if isinstance(part, str)]
            row = next((part for part in location if isinstance(part, int)), 0)
            said = problem["msg"].removeprefix("Value error, ")
            problems.append(self.where(table, row, keys[0] if keys else "") + said[:1].lower() + said[1:])
        return CatalogueError("\n".join(problems), f"the keys are: {', '.join(keys_of(model))}")


@lru_cache(maxsize=64)
def _parsed(text: str) -> Mapping[str, Any]:
    # Each table of a file is asked for on its own, and several rooms read the same files.
    return tomllib.loads(text)


def keys_of(model: type[Model]) -> list[str]:
    """The keys of a row as they are written in the file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def line_of(text: str, table: str, row: int, key: str) -> int:
    """The line, counted from 1, of a key in the row-th `[[table]]`; the row's own line when the key is not written."""
    lines = text.splitlines()
    header = re.compile(rf"\s*\[\[?\s*\"?{re.escape(table)}\"?\s*\]\]?")
    starts = [number for number, line in enumerate(lines) if table and header.match(line)]
    start = starts[row] if row < len(starts) else 0
    for number in range(start, len(lines)):
        if table and number > start and re.match(r"\s*\[", lines[number]):
            break
        if key and re.match(rf"\s*\[*\"?{re.escape(key)}\"?\s*[=\]]", lines[number]):
            return number + 1
    return start + 1
