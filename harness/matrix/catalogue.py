# SPDX-License-Identifier: Apache-2.0
"""The catalogues in clusters/ and charts/, read into frozen models; an error names file, line and key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from harness.errors import CatalogueError
from harness.matrix.model import Environment, Model, Release
from harness.matrix.names import unknown
from harness.settings import PROJECT_ROOT

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_REFERENCE = re.compile(r"[a-z0-9.-]+\.[a-z]+(?::\d+)?/[a-z0-9._/-]+:(?P<tag>[\w.-]+)(?:@sha256:[0-9a-f]{64})?")


class Choice(Model):
    """Lists of names or globs that multiply: environments × paths × scenarios."""

    environments: tuple[str, ...] = Field(min_length=1)
    paths: tuple[str, ...] = Field(min_length=1)
    scenarios: tuple[str, ...] = Field(min_length=1)


class Defaults(Model):
    """clusters/default.toml: the default selection, and what an option that was not given falls back to."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    default: tuple[Choice, ...] = Field(min_length=1)
    when_not_given: Choice = Field(alias="when-not-given")


@dataclass(frozen=True, kw_only=True)
class Catalogue:
    """All rows. Names are unique; the order is that of the files."""

    environments: tuple[Environment, ...]
    releases: tuple[Release, ...]
    defaults: Defaults

    def environment(self, name: str) -> Environment:
        """The environment of that name. Raises UsageError with what was probably meant."""
        for environment in self.environments:
            if environment.name == name:
                return environment
        raise unknown("environment", name, (environment.name for environment in self.environments))

    def release(self, version: str) -> Release:
        """The release of that version. Raises UsageError with what was probably meant."""
        for release in self.releases:
            if release.version == version:
                return release
        raise unknown("release", version, (release.version for release in self.releases))


def load(root: Path = PROJECT_ROOT) -> Catalogue:
    """Read `clusters/environments.toml`, `charts/releases.toml` and `clusters/default.toml` below `root`.

    Raises CatalogueError with file, line and key.
    """
    return Catalogue(
        environments=read_environments(root / "clusters" / "environments.toml"),
        releases=read_releases(root / "charts" / "releases.toml"),
        defaults=read_defaults(root / "clusters" / "default.toml"),
    )


def read_environments(file: Path) -> tuple[Environment, ...]:
    """The `[[environment]]` rows of a file."""
    return _rows(file, "environment", Environment, "name", _environment_problems)


def read_releases(file: Path) -> tuple[Release, ...]:
    """The `[[release]]` rows of a file."""
    return _rows(file, "release", Release, "version", _release_problems)


def read_defaults(file: Path) -> Defaults:
    """The default selection of a file."""
    text, data = _toml(file)
    try:
        return Defaults.model_validate(data)
    except ValidationError as invalid:
        raise _invalid(file, text, invalid, Defaults) from invalid


def _environment_problems(row: Environment) -> list[tuple[str, str]]:
    problems = [
        (key, f"{value!r} is not a full version such as 1.34.4")
        for key, value in (("kubernetes", row.kubernetes), ("upstream_kubernetes", row.upstream_kubernetes))
        if value and not _VERSION.fullmatch(value)
    ]
    if row.node_image:
        image = _REFERENCE.fullmatch(row.node_image)
        version = row.kubernetes_from("upstream")
        if not image:
            problems.append(
                ("node_image", f"{row.node_image!r} is not a full reference, registry/repository:tag@sha256:…")
            )
        elif row.provider == "kind" and image["tag"] != f"v{version}":
            problems.append(("node_image", f"the tag {image['tag']} is not v{version}"))
    elif not row.foundry and row.provider != "existing":
        problems.append(("foundry", "an environment needs a node_image or foundry = true"))
    return problems


def _release_problems(row: Release) -> list[tuple[str, str]]:
    problems = []
    if not _VERSION.fullmatch(row.version):
        problems.append(("version", f"{row.version!r} is not a full version such as 2.5.2"))
    if bool(row.hook_registry) != bool(row.hook_repository):
        problems.append(("hook_repository", "hook_registry and hook_repository are given together"))
    if not row.sources:
        problems.append(("sources", "name at least one source"))
    if not row.crds:
        problems.append(("crds", "name at least one"))
    for pattern in row.known_log_noise:
        try:
            re.compile(pattern)
        except re.error as broken:
            problems.append(("known_log_noise", f"{pattern!r} is no regular expression: {broken}"))
    return problems


_Row = TypeVar("_Row", bound=Model)


def _rows(
    file: Path, table: str, model: type[_Row], key: str, problems: Callable[[_Row], Sequence[tuple[str, str]]]
) -> tuple[_Row, ...]:
    text, data = _toml(file)
    for stray in data.keys() - {table}:
        raise _error(file, text, "", 0, stray, f"only [[{table}]] rows belong here")
    found = data.get(table)
    if not isinstance(found, list) or not found:
        raise CatalogueError(f"{file} has no [[{table}]] row", f"add one; see the head of {file.name}")
    rows: list[_Row] = []
    seen: set[str] = set()
    for number, values in enumerate(found):
        try:
            row = model.model_validate(values)
        except ValidationError as invalid:
            raise _invalid(file, text, invalid, model, (table, number)) from invalid
        for wrong, why in problems(row):
            raise _error(file, text, table, number, wrong, why)
        name = str(getattr(row, key))
        if name in seen:
            raise _error(file, text, table, number, key, f"a second row with {name!r}")
        seen.add(name)
        rows.append(row)
    return tuple(rows)


def _toml(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text()
        return text, tomllib.loads(text)
    except FileNotFoundError as missing:
        raise CatalogueError(f"{file} does not exist", "check it out again; it belongs to the project") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise CatalogueError(f"{file} is not valid TOML: {broken}", "correct that line") from broken


def _invalid(
    file: Path, text: str, invalid: ValidationError, model: type[Model], prefix: tuple[str | int, ...] = ()
) -> CatalogueError:
    problems = []
    for error in invalid.errors():
        location = (*prefix, *error["loc"])
        table, *keys = [part for part in location if isinstance(part, str)]
        row = next((part for part in location if isinstance(part, int)), 0)
        key = keys[0] if keys else ""
        problems.append(_where(file, text, table, row, key) + error["msg"].lower())
    known = Choice if model is Defaults else model
    return CatalogueError("\n".join(problems), f"the keys are: {', '.join(known.model_fields)}")


def _error(file: Path, text: str, table: str, row: int, key: str, why: str) -> CatalogueError:
    next_step = f"correct that row; the head of {file.name} explains it"
    return CatalogueError(_where(file, text, table, row, key) + why, next_step)


def _where(file: Path, text: str, table: str, row: int, key: str) -> str:
    return f"{file}, line {line_of(text, table, row, key)}: key {key or f'[{table}]'}: "


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
