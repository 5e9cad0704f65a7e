# SPDX-License-Identifier: Apache-2.0
"""What was imported: the file in the cache that names every image and chart, where it came from and its digest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError

from harness.errors import SettingsError
from harness.late import filelock
from harness.matrix.imported import Imported
from harness.matrix.rows import Model
from harness.settings import Settings


class _FromFile(Model):
    """`file` is the name of the archive, `sha256` the hash of that file, `imported` when it was, in UTC."""

    file: str
    sha256: str
    imported: str

    @property
    def obtained(self) -> str:
        """Its origin, for reports."""
        return f"imported from {self.file}, sha256:{self.sha256}"


class ImportedImage(_FromFile):
    """An image by the full reference under which nodes find it. `platforms` are those in it, `linux/amd64`."""

    reference: str
    digest: str
    platforms: tuple[str, ...]
    size: int


class ImportedChart(_FromFile):
    """A chart by its version. `content` is the hash of what it holds."""

    version: str
    content: str


class Records(Model):
    """All of them, in the order of their import."""

    images: tuple[ImportedImage, ...] = ()
    charts: tuple[ImportedChart, ...] = ()

    def image(self, reference: str) -> ImportedImage | None:
        """The image of that full reference."""
        return next((it for it in self.images if it.reference == reference), None)

    def chart(self, version: str) -> ImportedChart | None:
        """The chart of that version."""
        return next((it for it in self.charts if it.version == version), None)

    @property
    def imported(self) -> Imported:
        """What the matrix needs to know of it."""
        return Imported(
            images=frozenset(it.reference for it in self.images), charts=frozenset(it.version for it in self.charts)
        )


class _File(Model):
    version: int = Field(default=1, ge=1, le=1)
    records: Records = Records()


class Imports:
    """The folder `imports` in the cache. Its files outlive `harness foundry prune`; `harness clean` removes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "imports.json"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """That of the cache folder."""
        return cls(settings.cache_dir / "imports")

    def read(self) -> Records:
        """What was imported. Raises SettingsError when the file is damaged."""
        try:
            return _File.model_validate_json(self._file.read_text()).records
        except FileNotFoundError:
            return Records()
        except (ValidationError, ValueError, OSError) as broken:
            raise SettingsError(
                f"{self._file} cannot be read: {broken}", f"remove {self.folder}, and import again what you need"
            ) from broken

    def chart_file(self, chart: ImportedChart) -> Path:
        """Where an imported chart is."""
        return self.folder / "charts" / f"{chart.version}-{chart.content[:12]}.tgz"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Lock the record of imports for the block."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(str(self.folder) + ".lock"):
            yield

    def write(self, records: Records) -> None:
        """Replace the record. Only inside `changing`."""
        draft = self._file.with_name(f".{self._file.name}.{os.getpid()}")
        draft.write_text(_File(records=records).model_dump_json(indent=2) + "\n")
        draft.replace(self._file)
