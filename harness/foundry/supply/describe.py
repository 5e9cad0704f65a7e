# SPDX-License-Identifier: Apache-2.0
"""Describes an artefact: its own contents, put on record beside it, and those of all its parts together."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.foundry.supply import components, debs, gobinaries, jars, record
from harness.foundry.supply.components import Component, Contents, Subject
from harness.foundry.supply.record import Record
from harness.foundry.supply.subjects import PACKAGES, subjects

_PYSPARK = "pyspark"


@dataclass(frozen=True, kw_only=True)
class Part:
    """An artefact by its record, and the files and images that it consists of."""

    record: Record
    subjects: tuple[Subject, ...]


@dataclass(frozen=True, kw_only=True)
class Described:
    """An artefact with everything in it. `parts` are the artefacts that it is made of, sorted by name."""

    whole: Part
    components: tuple[Component, ...]
    parts: tuple[Part, ...]
    unknown: tuple[str, ...]


def note(folder: Path) -> Contents:
    """The artefact's own contents; found out, and put on record in its folder, when they are not yet.

    Raises CommandError or OSError when it cannot be read.
    """
    known = components.read(folder)
    if known is None:
        known = _packages(folder, record.read(folder)).model_copy(update={"subjects": subjects(folder)})
        components.write(folder, known)
    return known


def described(root: Path, folder: Path) -> Described:
    """The artefact with all its parts, which are stored below `root`. Raises as `note`."""
    found: list[Component] = []
    unknown: list[str] = []
    parts: dict[str, Part] = {}
    for part, missing in _with_parts(root, folder):
        if part is None:
            unknown.append(missing)
            continue
        own, made = note(part), record.read(part)
        found += own.components
        unknown += (f"{made.title}: {it}" for it in own.unknown)
        parts[f"{made.title} {made.key}"] = Part(record=made, subjects=own.subjects)
    made = record.read(folder)
    whole = parts.pop(f"{made.title} {made.key}")
    return Described(
        whole=whole,
        components=components.merged(found),
        parts=tuple(parts[title] for title in sorted(parts)),
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _with_parts(root: Path, folder: Path) -> Iterator[tuple[Path | None, str]]:
    """The artefact and, once each, everything that it is made of; a part that is gone comes as None, with words."""
    seen = {folder}
    waiting = [folder]
    while waiting:
        current = waiting.pop()
        yield current, ""
        made = record.read(current)
        named = record.parts(root, made)
        for name, part in (*named.items(), *_images(root, made).items()):
            if part is None:
                yield None, f"{made.title}: its part {name} is not stored any more"
            elif part not in seen:
                seen.add(part)
                waiting.append(part)


def _images(root: Path, made: Record) -> dict[str, Path | None]:
    """The stored images that the inputs name by their digests."""
    wanted = {name: value for name, value in made.inputs.items() if value.startswith("sha256:")}
    stored: dict[str, Path] = {}
    for index in root.glob("image/*/index.json") if wanted else ():
        if (index.parent / record.FILE).is_file():
            stored[json.loads(index.read_text())["manifests"][0]["digest"]] = index.parent
    return {name: stored.get(digest) for name, digest in wanted.items()}


def _packages(folder: Path, made: Record) -> Contents:
    if made.kind == "go":
        return gobinaries.contents(sorted((folder / "bin").glob("*")))
    layer = folder / "layer.tar.gz"
    if made.kind != "layer" or not layer.is_file():
        return Contents()
    try:
        return _layer(folder, layer, made)
    except tarfile.TarError as broken:
        return Contents(unknown=(f"what its layer holds, which cannot be read: {broken}",))


def _layer(folder: Path, layer: Path, made: Record) -> Contents:
    if "suite" in made.inputs:
        file = folder / PACKAGES
        records = file.read_text() if file.is_file() else ""
        return debs.contents(debs.status_in(layer), records, made.inputs["suite"])
    if "sha256" in made.inputs:
        found = jars.contents(layer)
        return found.model_copy(update={"components": (_distribution(made), *found.components)})
    return Contents()


def _distribution(made: Record) -> Component:
    return Component(
        ecosystem="pypi",
        name=_PYSPARK,
        version=made.inputs["version"],
        sha256=made.inputs["sha256"],
        licence="Apache-2.0",
    )
