# SPDX-License-Identifier: Apache-2.0
"""A user's own rows: folders that harness.toml names, with files of the catalogues' names; or the rows of a lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import CatalogueError
from harness.toml_merge import Given, Table, merged
from harness.toml_source import TomlSource
from harness.wording import did_you_mean, nearest

REGISTRIES = "registries"
"""The file that has a `[table]` for each registry, and no rows."""

VALUES = "values"
"""The folder of values profiles."""

_MOST_BYTES = 4 << 20

TABLES: Mapping[str, tuple[Table, ...]] = {
    "environments": (Table(name="environment", keys=("name",)),),
    "releases": (Table(name="release", keys=("version",)), Table(name="relocation", keys=("host",))),
    "behaviour": (
        Table(name="default", keys=("field", "since")),
        Table(name="rule", keys=("name", "since")),
        Table(name="feature", keys=("name",)),
        Table(name="metric", keys=("name", "since")),
        Table(name="log-noise", keys=("says", "since")),
        Table(name="ignored-value", keys=("value", "since")),
    ),
    "upgrades": (
        Table(name="edge", decided_later=True),
        Table(name="rollback", decided_later=True),
        Table(name="chain", decided_later=True),
        Table(
            name="known",
            keys=("scenario", "check", "from", "to", "crds", "values", "kinds", "environments", "when"),
        ),
        Table(name="note"),
        Table(name="profiled"),
    ),
    "addons": (Table(name="addon", keys=("name",)),),
    "properties": (Table(name="property", keys=("name",)),),
    "matrix": (Table(name="tier"), Table(name="exclude")),
    "pull-messages": (
        Table(name="kind", keys=("name",)),
        Table(name="message", keys=("pattern", "status", "reason"), own_first=True),
    ),
    REGISTRIES: (),
}
"""The tables of each file to which rows can be added, and what makes the id of a row in them."""


@dataclass(frozen=True, kw_only=True)
class OwnRows:
    """The files by their stems, in the order of the folders, and those of the values profiles by their names."""

    files: Mapping[str, tuple[TomlSource, ...]] = field(default_factory=dict)
    values: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    def over(self, shipped: TomlSource) -> TomlSource:
        """A file of the project with these rows merged over it. Raises CatalogueError with file, line and key."""
        stem = shipped.file.stem
        return merged(shipped, self.files.get(stem, ()), TABLES[stem])


NONE = OwnRows()


def read(folders: Iterable[Path]) -> OwnRows:
    """The rows of these folders. Raises CatalogueError for files that are not what they should be."""
    files: dict[str, tuple[TomlSource, ...]] = {}
    values: dict[str, tuple[Path, ...]] = {}
    for folder in folders:
        for path in _listed(folder):
            if path.name == VALUES:
                for file in _profiles(folder, path):
                    values[file.stem] = (*values.get(file.stem, ()), file)
            elif path.suffix == ".toml":
                stem = _known(path)
                files[stem] = (*files.get(stem, ()), TomlSource.read(_inside(folder, path)))
    return OwnRows(files=files, values=values)


def given(rows: Mapping[str, Mapping[str, Sequence[Mapping[str, object]]]]) -> OwnRows:
    """The rows of a lock: file stem → table → rows. Raises CatalogueError for a file that takes none."""
    for stem in rows:
        if stem not in TABLES:
            raise CatalogueError(f"the lock has rows of {stem}.toml, which takes none", "take it as it was written")
    return OwnRows(files={stem: (Given(file=Path(f"{stem}.toml"), rows_of=tables),) for stem, tables in rows.items()})


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, RuntimeError) as unreadable:
        raise CatalogueError(
            f"the catalogue folder {folder} cannot be read: {getattr(unreadable, 'strerror', '') or unreadable}",
            "correct catalogue_dirs in harness.toml",
        ) from unreadable


def _known(path: Path) -> str:
    if path.stem in TABLES:
        return path.stem
    near = nearest(path.stem, TABLES)
    raise CatalogueError(
        f"{path} is not a catalogue{did_you_mean(near and f'{near}.toml')}",
        f"a catalogue folder can have {', '.join(f'{stem}.toml' for stem in TABLES)} and {VALUES}/*.yaml",
    )


def _profiles(folder: Path, path: Path) -> list[Path]:
    """The values profiles of a folder, each named as its file: `default` is every run's."""
    if not path.is_dir():
        raise CatalogueError(f"{path} is not a folder", f"make it one, and put default.yaml into {VALUES}/")
    found = []
    for file in _listed(path):
        if file.suffix == ".yml":
            raise CatalogueError(
                f"{file} is used by nothing: values profiles end in .yaml",
                f"rename it to {file.stem}.yaml, and give it to a run with --values profile:{file.stem}",
            )
        if file.suffix == ".yaml":
            found.append(_inside(folder, file))
    return found


def _inside(folder: Path, path: Path) -> Path:
    """The file, if it is one and in the folder. A link to another file in it will do, as in a mounted ConfigMap."""
    try:
        real = path.resolve(strict=True)
        size = real.stat().st_size if real.is_file() else None
        home = folder.resolve(strict=True)
    except (OSError, RuntimeError) as broken:
        raise CatalogueError(
            f"{path} cannot be read: it is a link that leads nowhere, or to itself", "replace it by the file"
        ) from broken
    if not real.is_relative_to(home):
        raise CatalogueError(
            f"{path} is a link that leads out of {folder}", f"copy {real} there, or add its folder to catalogue_dirs"
        )
    if size is None:
        raise CatalogueError(f"{path} is not a file", "replace it by one")
    if size > _MOST_BYTES:
        raise CatalogueError(f"{path} has {size >> 20} MiB", f"a catalogue has at most {_MOST_BYTES >> 20}")
    return path
