# SPDX-License-Identifier: Apache-2.0
"""Typed settings: defaults < harness.toml < environment < command line."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.errors import SettingsError
from harness.images.mirrors import Mirror, MirrorMap, RegistryHost, without_loops

PROJECT_ROOT = Path(__file__).resolve().parent.parent
"""The checkout: clusters/, charts/ and reports/ are below it."""

SourceKind = Literal["upstream", "mirror", "foundry"]

_ENVIRONMENT = {
    "HARNESS_CACHE": "cache_dir",
    "HARNESS_REPORTS": "reports_dir",
    "HARNESS_SOURCE": "source",
    "HARNESS_JOBS": "jobs",
    "HARNESS_APP_SLOTS": "app_slots",
    "HARNESS_PATH_SLOTS": "path_slots",
    "HARNESS_MIN_DISK_GB": "min_disk_gb",
}


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "spark-operator-harness"


def _default_app_slots() -> int:
    """One more than there are processors, since a scenario also waits; at most eight."""
    return min(8, (os.cpu_count() or 1) + 1)


def _default_path_slots() -> int:
    """A path with applications takes two places, and keeps two processors busy from its beginning to its end."""
    return os.cpu_count() or 1


class Settings(BaseModel):
    """What a user can set. harness.toml has the same keys; `[mirrors."ghcr.io"]` tables fill `mirrors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path = Field(default_factory=_default_cache)
    reports_dir: Path = PROJECT_ROOT / "reports"
    source: SourceKind | None = None
    jobs: int = Field(default=1, ge=1, le=64)
    app_slots: int = Field(
        default_factory=_default_app_slots, ge=1, le=64, description="scenarios that run at a time, over all clusters"
    )
    path_slots: int = Field(
        default_factory=_default_path_slots, ge=1, le=64, description="places for paths with moves, over all runs"
    )
    min_disk_gb: float = Field(default=3.0, ge=0, description="a run does not start with less free disk, in 10⁹ bytes")
    cluster_timeout: float = Field(default=300.0, gt=0, description="seconds until a cluster must be Ready")
    isolated: bool = Field(default=False, description="nodes reach nothing beyond this machine")
    mirrors: dict[RegistryHost, Mirror] = Field(default_factory=dict)

    @field_validator("mirrors")
    @classmethod
    def _no_loop(cls, value: dict[str, Mirror]) -> dict[str, Mirror]:
        return dict(without_loops(value))

    @property
    def mirror_map(self) -> MirrorMap:
        """The mirror map of harness.toml."""
        return MirrorMap(mirrors=self.mirrors)


def load(
    overrides: Mapping[str, Any] | None = None,
    *,
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    `file` is harness.toml (default: the one in the current folder, else in the checkout, if any). `overrides` come from
    the command line; None means "not given". Raises SettingsError with file, line and key.
    """
    path = file or next((p for p in (Path.cwd() / "harness.toml", PROJECT_ROOT / "harness.toml") if p.is_file()), None)
    data: dict[str, Any] = {}
    text = ""
    if path is not None:
        try:
            text = path.read_text()
            data = tomllib.loads(text)
        except FileNotFoundError as missing:
            raise SettingsError(f"{path} does not exist", "create it, or leave the option out") from missing
        except tomllib.TOMLDecodeError as broken:
            why = str(broken).replace("at end of document", f"at the end, line {len(text.splitlines())}")
            raise SettingsError(f"{path} is not valid TOML: {why}", "correct that line") from broken
        except (OSError, UnicodeDecodeError) as unreadable:
            raise SettingsError(f"{path} cannot be read: {unreadable}", "it must be a TOML file") from unreadable
    origin = dict.fromkeys(data, str(path))
    env = os.environ if environment is None else environment
    for variable, key in _ENVIRONMENT.items():
        if env.get(variable):
            data[key] = env[variable]
            origin[key] = f"environment variable {variable}"
    for key, value in (overrides or {}).items():
        if value is not None:
            data[key] = value
            origin[key] = "command line"
    try:
        return Settings(**data)
    except ValidationError as invalid:
        raise SettingsError(*_explain(invalid, origin, path, text)) from invalid


def _explain(invalid: ValidationError, origin: Mapping[str, str], path: Path | None, text: str) -> tuple[str, str]:
    problems = []
    fields: dict[str, Any] = {}
    for error in invalid.errors():
        keys = [str(part) for part in error["loc"]]
        where = origin.get(keys[0], "settings")
        if path is not None and where == str(path):
            where = f"{path}, line {_line_of(keys, text)}"
        said = error["msg"].removeprefix("Value error, ")
        if error["type"] == "extra_forbidden":
            model = Mirror if keys[0] == "mirrors" else Settings
            fields.update(model.model_fields)
            close = difflib.get_close_matches(keys[-1], list(model.model_fields), n=1)
            said = "there is no such key" + (f"; did you mean {close[0]}?" if close else "")
        problems.append(f"{where}: key {'.'.join(keys)}: {said[:1].lower()}{said[1:]}")
    return "\n".join(problems), f"the keys are: {', '.join(sorted(fields))}" if fields else "correct that value"


def _line_of(keys: list[str], text: str) -> int:
    """The line of the deepest key that is written in the file, the first line being 1."""
    line = 1
    lines = text.splitlines()
    for key in keys:
        pattern = re.compile(rf'(^|[\[.\s"\']){re.escape(key)}["\']?\s*(=|\]|\.)')
        for number in range(line, len(lines) + 1):
            if pattern.search(lines[number - 1]):
                line = number
                break
    return line
