# SPDX-License-Identifier: Apache-2.0
"""Describes an artefact: its own contents, put on record beside it, and those of all its parts together."""

from __future__ import annotations

import json
import tarfile
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
    """An artefact with everything in it. `parts` are the artefacts that are in it, sorted by name.

    `tools` are artefacts that it was built with and that are not in it, `materials` the packages of these alone.
    """

    whole: Part
    components: tuple[Component, ...]
    parts: tuple[Part, ...]
    tools: tuple[Part, ...]
    materials: tuple[Component, ...]
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
    inside, gone = _inside(root, folder)
    made_with = [tool for it in inside for tool in _tools(root, it).values() if tool is not None]
    around = [it for tool in dict.fromkeys(made_with) for it in _inside(root, tool)[0]]
    whole, *parts = [_part(it) for it in inside]
    tools = [_part(it) for it in dict.fromkeys(around) if it not in inside]
    unknown = [f"{record.read(it).title}: {words}" for it in inside for words in note(it).unknown]
    return Described(
        whole=whole,
        components=components.merged(found for it in inside for found in note(it).components),
        parts=tuple(sorted(parts, key=_by_title)),
        tools=tuple(sorted(tools, key=_by_title)),
        materials=components.merged(found for it in around if it not in inside for found in note(it).components),
        unknown=tuple(dict.fromkeys([*gone, *unknown])),
    )


def _part(folder: Path) -> Part:
    return Part(record=record.read(folder), subjects=note(folder).subjects)


def _by_title(part: Part) -> tuple[str, str]:
    return part.record.title, part.record.key


def _inside(root: Path, folder: Path) -> tuple[list[Path], list[str]]:
    """The artefact and, once each, everything that is in it; and words about what is not stored any more."""
    found, gone = [folder], []
    for current in found:
        made = record.read(current)
        tools = _tools(root, made)
        for name, part in {**record.parts(root, made), **_images(root, made)}.items():
            if part is None:
                gone.append(f"{made.title}: its part {name} is not stored any more")
            elif name not in tools and part not in found:
                found.append(part)
    return found, gone


def _tools(root: Path, made: Record | Path) -> dict[str, Path | None]:
    """The artefacts that were only needed for the build: a chart is a folder of its Go module, and what is added to a
    Spark distribution is compiled against it.
    """
    own = record.read(made) if isinstance(made, Path) else made
    only = {"chart": ("module",), "layer": ("distribution",)}.get(own.kind, ())
    return {name: part for name, part in record.parts(root, own).items() if name in only}


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
