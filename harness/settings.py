# SPDX-License-Identifier: Apache-2.0
"""Typed settings: defaults < harness.toml < environment < command line."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from harness import home, named_files
from harness.errors import CatalogueError, SettingsError
from harness.images.logins import TokenFile
from harness.images.mirrors import Mirror, MirrorMap, RegistryHost, without_loops
from harness.processors import usable
from harness.toml_source import TomlSource, message, remedy
from harness.wording import did_you_mean, nearest

PROJECT_ROOT = home.data_root()
"""The folder that has clusters/ and charts/: the checkout, or a folder of the installed package."""

SourceKind = Literal["upstream", "mirror", "foundry"]

DebianPackages = Literal["any", "recorded"]
"""What may go into base systems: the mirror's Debian packages, or only those in clusters/nodes/packages.toml."""

_ENVIRONMENT = {
    "HARNESS_CACHE": "cache_dir",
    "HARNESS_REPORTS": "reports_dir",
    "HARNESS_SOURCE": "source",
    "HARNESS_JOBS": "jobs",
    "HARNESS_APP_SLOTS": "app_slots",
    "HARNESS_PROCESSORS": "processors",
    "HARNESS_MIN_DISK_GB": "min_disk_gb",
    "HARNESS_IMAGE_CACHE_GB": "image_cache_gb",
    "HARNESS_DEBIAN_PACKAGES": "debian_packages",
}

ARTIFACT_VARIABLE = "HARNESS_ARTIFACT"
"""The variable with the name under which a CI job uploads its report."""

_PREFIX = "HARNESS_"
_VARIABLES = (*_ENVIRONMENT, ARTIFACT_VARIABLE)
"""All that begin so and are read by the package; `.ci/run` reads HARNESS_CI_ENVIRONMENT."""
_NEAR = 0.78
"""Others have variables that begin so, too: the CI system of that name, and Perl's Test::Harness."""
_LONGEST, _LONGEST_NAME = 4096 - 1024, 255
"""Bytes of a path and of each name in it, as Linux takes them (limits.h), with room for what is written below it."""
_LAST_PORT = 65535
_OF_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def whole(text: str) -> int:
    """A whole number in the digits 0 to 9. Raises ValueError for what int() takes besides, as ` 7 ` and `1_0`."""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is not a whole number; write it in digits, such as 4")
    return int(text)


def positive(text: str) -> int:
    """A whole number of at least 1. Raises ValueError."""
    if (found := whole(text)) < 1:
        raise ValueError(f"{found} is none; give 1 or more")
    return found


def natural(text: str) -> int:
    """A whole number that is not negative. Raises ValueError."""
    if (found := whole(text)) < 0:
        raise ValueError(f"{found} is negative; give 0 or more")
    return found


def port(text: str) -> int:
    """The number of a port, or 0 for any that is free. Raises ValueError."""
    if not 0 <= (found := whole(text)) <= _LAST_PORT:
        raise ValueError(f"{found} is not the number of a port; give one from 1 to {_LAST_PORT}, or 0 for a free one")
    return found


def number(text: str) -> float:
    """A number in the digits 0 to 9. Raises ValueError for what float() takes besides, as `1_0`, `nan` and `inf`."""
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        raise ValueError(f"{text[:80]!r} is not a number; write it in digits, such as 2.5")
    return float(text)


def amount(text: str) -> float:
    """A number above 0. Raises ValueError."""
    if (found := number(text)) <= 0:
        raise ValueError(f"{text} is nothing; give more than 0")
    return found


def _default_app_slots() -> int:
    """One more than there are processors, since scenarios spend time waiting; at most eight, for their memory."""
    return min(8, math.floor(usable()) + 1)


class ClusterSettings(BaseModel):
    """`[cluster]`: which cluster the environment `existing` is; empty as kubectl has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubeconfig: str = Field(default="", description="a kubeconfig, or several with colons between them")
    context: str = Field(default="", description="a context of it")


def _torn(tables: object) -> Iterator[str]:
    """Hosts that were written without quotes, `[mirrors.ghcr.io]`, and came as a table in a table."""
    for name, below in tables.items() if isinstance(tables, Mapping) else ():
        for key, it in below.items() if isinstance(below, Mapping) and "." not in name else ():
            if isinstance(it, Mapping):
                yield f"{name}.{next(_torn({key: it}), key)}"


class Settings(BaseModel):
    """What a user can set. harness.toml has the same keys; `[mirrors."ghcr.io"]` tables fill `mirrors`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_dir: Path = Field(default_factory=home.cache_folder)
    reports_dir: Path = Field(default_factory=home.reports_folder)
    source: SourceKind | None = None
    jobs: int = Field(default=1, ge=1, le=64)
    app_slots: int = Field(
        default_factory=_default_app_slots, ge=1, le=64, description="scenarios that run in parallel, over all clusters"
    )
    processors: float = Field(
        default_factory=usable,
        gt=0,
        le=4096,
        allow_inf_nan=False,
        description="processors that all runs of this cache together keep busy",
    )
    min_disk_gb: float = Field(
        default=3.0, ge=0, allow_inf_nan=False, description="free disk space that a run needs to start, in 10⁹ bytes"
    )
    cluster_timeout: float = Field(
        default=300.0, gt=0, allow_inf_nan=False, description="seconds within which a cluster must be Ready"
    )
    debian_packages: DebianPackages = Field(
        default="any", description="whether base systems may have Debian packages that are not on record"
    )
    rehearsed: bool = Field(
        default=False,
        strict=True,
        description="the public registries are stand-ins on this machine (`harness internet`)",
    )
    isolated: bool = Field(default=False, strict=True, description="nodes cannot reach anything outside this machine")
    image_cache_gb: float = Field(
        default=20.0,
        ge=0,
        allow_inf_nan=False,
        description="most that images of public registries and mirrors take on the disk between runs, in 10⁹ bytes; "
        "with 0, each node pulls them anew",
    )
    mirrors: dict[RegistryHost, Mirror] = Field(default_factory=dict)
    logins: dict[RegistryHost, TokenFile] = Field(
        default_factory=dict, description="files with tokens, by the host that is asked with them"
    )
    cluster: ClusterSettings = Field(default=ClusterSettings(), description="the cluster of the environment `existing`")
    catalogue_dirs: tuple[Path, ...] = Field(
        default_factory=home.catalogue_folders, description="folders with further rows of the catalogues"
    )

    @field_validator(
        "jobs", "app_slots", "processors", "min_disk_gb", "cluster_timeout", "image_cache_gb", mode="before"
    )
    @classmethod
    def _a_number(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("it is a number, not true or false")
        return number(value) if isinstance(value, str) else value

    @field_validator("cache_dir", "reports_dir")
    @classmethod
    def _a_path(cls, value: Path) -> Path:
        if "\0" in str(value):
            raise ValueError("it has a NUL byte, which no path can have")
        if _OF_WINDOWS.match(str(value)):
            raise ValueError(f"{str(value)!r} is a path of Windows; in WSL, its drives are folders such as /mnt/c")
        found = home.expanded(value)
        if found == value and value.parts[:1] and value.parts[0].startswith("~"):
            # It would be a folder of that name, wherever the command is run.
            raise ValueError(f"{value.parts[0]} is no user with a home folder here")
        return found

    @field_validator("catalogue_dirs")
    @classmethod
    def _paths(cls, values: tuple[Path, ...]) -> tuple[Path, ...]:
        return tuple(map(cls._a_path, values))

    @field_validator("mirrors", "logins", mode="before")
    @classmethod
    def _quoted(cls, value: Any, info: ValidationInfo) -> Any:
        for host in _torn(value):
            raise ValueError(f'a host has dots, which TOML takes for tables: write [{info.field_name}."{host}"]')
        return value

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

    `file` is harness.toml; by default the first of `home.settings_files()` that exists. `overrides` come from the
    command line; None means "not given". Raises SettingsError with file, line and key.
    """
    path = file or next(filter(named_files.there, home.settings_files()), None)
    source = _source(path) if path else TomlSource()
    _require_values(source)
    data = dict(source.data)
    origin = dict.fromkeys(data, str(path))
    env = os.environ if environment is None else environment
    _refuse_misspelt(env)
    for variable, key in _ENVIRONMENT.items():
        # A workflow sets what nobody has chosen to nothing.
        if env.get(variable):
            if not env[variable].strip():
                raise SettingsError(f"environment variable {variable} is blank", "give a value, or unset it")
            data[key] = env[variable]
            origin[key] = f"environment variable {variable}"
    for key, value in (overrides or {}).items():
        if value is not None:
            data[key] = value
            origin[key] = "command line"
    try:
        made = Settings(**data)
    except ValidationError as invalid:
        raise _explained(invalid, origin, source) from invalid
    if any(value != str(path) for key, value in origin.items() if key in source.data):
        # A mistake in the file is one even where something else is taken instead this time.
        try:
            Settings(**source.data)
        except ValidationError as invalid:
            raise _explained(invalid, dict.fromkeys(source.data, str(path)), source) from invalid
    for key in ("cache_dir", "reports_dir"):
        where = source.where((key,)) if origin.get(key) == str(path) else f"{origin[key]}: " if key in origin else ""
        _require_folder(getattr(made, key), where)
    if path is None or "catalogue_dirs" not in source.data:
        return made
    return made.model_copy(update={"catalogue_dirs": tuple(_folders(made.catalogue_dirs, path, source))})


def _refuse_misspelt(environment: Iterable[str]) -> None:
    """Raise SettingsError for a variable that is a near miss of one of the project's, or is called by its key."""
    by_key = {f"{_PREFIX}{key.upper()}": variable for variable, key in _ENVIRONMENT.items()}
    ends = {it.removeprefix(_PREFIX): it for it in _VARIABLES}
    for name in environment:
        if not name.startswith(_PREFIX) or name in _VARIABLES:
            continue
        end = name.removeprefix(_PREFIX)
        near = nearest(end, (it for it in ends if it[0] == end[:1]), _NEAR)
        meant = by_key.get(name) or ends.get(near)
        if meant:
            raise SettingsError(
                f"environment variable {name} has no meaning{did_you_mean(meant)}",
                f"rename it to {meant}, or unset it",
            )


def _require_values(source: TomlSource) -> None:
    """Raise SettingsError for a text without anything in it: what is left empty must not mean something else."""
    try:
        source.require_values()
    except CatalogueError as empty:
        raise SettingsError(empty.message, empty.next_step) from empty


def _require_folder(path: Path, where: str) -> None:
    """Raise SettingsError where a folder neither is nor could be made; what this user may not see, its use tells."""
    if len(os.fsencode(path)) > _LONGEST or any(len(os.fsencode(it)) > _LONGEST_NAME for it in path.parts):
        raise SettingsError(
            f"{where}{str(path)[:80]}… cannot be a folder: it is longer than a path may be", "give another folder"
        )
    with suppress(PermissionError):
        last = next((it for it in (path, *path.parents) if named_files.there(it)), path)
        why = named_files.why_no_folder(last)
        if why:
            what = "" if last == path else f"{last}: "
            raise SettingsError(f"{where}{path} cannot be a folder: {what}{why}", "give another folder")


def _folders(named: Iterable[Path], file: Path, source: TomlSource) -> Iterator[Path]:
    """The folders of catalogue_dirs, which are relative to the file that names them. Raises SettingsError."""
    for name in named:
        folder = Path(os.path.normpath(file.absolute().parent / home.expanded(name)))
        if not folder.is_dir():
            raise SettingsError(
                f"{source.where(('catalogue_dirs',))}{name} is not a folder: {folder}",
                "create it, or correct the path, which is relative to that file",
            )
        yield folder


def _source(path: Path) -> TomlSource:
    """The file. Raises SettingsError."""
    try:
        # Who names /dev/null wants no settings.
        text = "" if str(path) == os.devnull else named_files.text(path)
        source = TomlSource(file=path, text=text)
        _ = source.data
    except FileNotFoundError as missing:
        raise SettingsError(f"{path} does not exist", "create it, or omit the option") from missing
    except (OSError, UnicodeDecodeError) as unreadable:
        raise SettingsError(f"{path} cannot be read: {unreadable}", "it must be TOML in UTF-8") from unreadable
    except CatalogueError as broken:
        raise SettingsError(broken.message, broken.next_step) from broken
    return source


def _explained(invalid: ValidationError, origin: Mapping[str, str], source: TomlSource) -> SettingsError:
    problems = invalid.errors()
    lines = []
    for problem in problems:
        keys = [str(part) for part in problem["loc"]]
        where = origin.get(keys[0], "settings")
        place = source.where(problem["loc"]) if where == str(source.file) else f"{where}: key {'.'.join(keys)}: "
        lines.append(place + message(problem, Settings))
    return SettingsError("\n".join(lines), remedy(problems, Settings) or "correct that value")
