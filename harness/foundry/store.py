# SPDX-License-Identifier: Apache-2.0
"""The foundry's store: artefacts keyed by the hash of their inputs, each built once, even by concurrent runs.

An artefact is a folder `<cache>/artifacts/<kind>/<name>-<key>`; it is created atomically, by one rename.
"""

from __future__ import annotations

import functools
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from filelock import FileLock

from harness import late
from harness.errors import BuildError, HarnessError
from harness.foundry.supply import record
from harness.foundry.supply.record import Record
from harness.settings import DebianPackages, Settings

if TYPE_CHECKING:
    from harness.foundry.supply import documents
else:
    documents = late.module("harness.foundry.supply.documents")

_MANIFEST = record.FILE
_PARTIAL = ".partial"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The identity of an artefact.

    `kind` and `name` are for people (`kubernetes`, `1.34.4`); `inputs` are all that the result depends on: versions,
    the text of recipe files, keys of other artefacts.
    """

    kind: str
    name: str
    inputs: Mapping[str, str]

    @functools.cached_property
    def key(self) -> str:
        """Twelve hexadecimal digits of the SHA-256 of the inputs."""
        return record.digest_of(self.inputs)[:12]


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A stored artefact. `seconds` is what its build took, `size` is in bytes."""

    kind: str
    name: str
    key: str
    folder: Path
    created: str
    seconds: float
    size: int
    fresh: bool = False


class Store:
    """Artefacts below `root`; logs of their builds below `logs`. `packages` says which Debian packages may go in."""

    def __init__(self, root: Path, logs: Path, *, packages: DebianPackages = "any") -> None:
        self.root = root
        self.logs = logs
        self.packages = packages

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The store in the cache folder."""
        return cls(settings.cache_dir / "artifacts", settings.cache_dir / "logs", packages=settings.debian_packages)

    def folder(self, recipe: Recipe) -> Path:
        """The folder of the artefact, whether it exists or not."""
        return self.root / recipe.kind / f"{recipe.name}-{recipe.key}"

    def log_file(self, recipe: Recipe) -> Path:
        """The log of the build."""
        return self.logs / f"{recipe.kind}-{recipe.name}-{recipe.key}.log"

    def get(self, recipe: Recipe) -> Artifact | None:
        """The artefact, if it exists."""
        folder = self.folder(recipe)
        return _read(folder) if (folder / _MANIFEST).is_file() else None

    def build(self, recipe: Recipe, make: Callable[[Path, Path], None]) -> Artifact:
        """The artefact, built by `make(folder, log file)` if it does not exist yet.

        A second caller, in this process or another, waits for the first. Raises BuildError that names the log.
        """
        found = self.get(recipe)
        if found:
            return found
        folder = self.folder(recipe)
        folder.parent.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(parents=True, exist_ok=True)
        with FileLock(str(folder) + ".lock"):
            found = self.get(recipe)
            if found:
                return found
            work = folder.with_name(folder.name + _PARTIAL)
            shutil.rmtree(work, ignore_errors=True)
            work.mkdir()
            log_file = self.log_file(recipe)
            started = time.monotonic()
            try:
                make(work, log_file)
                _note(work, recipe, started)
                documents.write(self.root, work)
            except (HarnessError, OSError) as error:
                shutil.rmtree(work, ignore_errors=True)
                raise _failed(recipe, error, log_file) from error
            except BaseException:
                shutil.rmtree(work, ignore_errors=True)
                raise
            work.rename(folder)
        stored = _read(folder)
        return Artifact(**{**stored.__dict__, "fresh": True})

    def artifacts(self) -> list[Artifact]:
        """Everything that is stored, oldest first."""
        whole = (path.parent for path in self.root.glob(f"*/*/{_MANIFEST}") if path.parent.suffix != _PARTIAL)
        return sorted(map(_read, whole), key=lambda it: it.created)

    def remove(self, artifact: Artifact) -> None:
        """Remove an artefact."""
        shutil.rmtree(artifact.folder)


def _note(work: Path, recipe: Recipe, started: float) -> None:
    made = Record(
        kind=recipe.kind,
        name=recipe.name,
        key=recipe.key,
        inputs=dict(recipe.inputs),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - started, 1),
        size=sum(path.lstat().st_size for path in work.rglob("*") if path.is_file()),
    )
    (work / _MANIFEST).write_text(made.model_dump_json(indent=2))


def _failed(recipe: Recipe, error: HarnessError | OSError, log_file: Path) -> BuildError:
    message, next_step = (error.message, error.next_step) if isinstance(error, HarnessError) else (str(error), "")
    if log_file.exists() and str(log_file) not in next_step:
        next_step = f"{next_step}; see {log_file}" if next_step else f"see {log_file}"
    return BuildError(f"building {recipe.kind} {recipe.name} failed: {message}", next_step)


def _read(folder: Path) -> Artifact:
    made = record.read(folder)
    return Artifact(
        kind=made.kind,
        name=made.name,
        key=made.key,
        folder=folder,
        created=made.created,
        seconds=made.seconds,
        size=made.size,
    )
