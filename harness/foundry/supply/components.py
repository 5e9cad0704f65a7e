# SPDX-License-Identifier: Apache-2.0
"""A component: one package that went into an artefact, with what proves which one it was."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

Ecosystem = Literal["deb", "golang", "maven", "pypi", "generic"]


class Component(BaseModel):
    """A package. `ecosystem` is its type as in a package URL, `group` the namespace there.

    `sha256` and `sha1` are of the package's file, `h1` is Go's hash of a module's files; empty where nobody recorded
    them. `within` names the files of the artefact that it is in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ecosystem: Ecosystem
    name: str
    version: str
    group: str = ""
    qualifiers: dict[str, str] = {}
    sha256: str = ""
    sha1: str = ""
    h1: str = ""
    licence: str = ""
    within: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells it from others."""
        qualifiers = tuple(f"{name}={value}" for name, value in sorted(self.qualifiers.items()))
        return (self.ecosystem, self.group, self.name, self.version, *qualifiers)

    @property
    def proved(self) -> bool:
        """Whether a hash of it is on record."""
        return bool(self.sha256 or self.sha1 or self.h1)

    @property
    def dir_hash(self) -> str:
        """`h1` as in-toto has it: hexadecimal, without the prefix."""
        return base64.b64decode(self.h1.removeprefix("h1:")).hex() if self.h1 else ""


class Subject(BaseModel):
    """A file of an artefact, or an image: by its manifest or, in the container engine, by its id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    sha256: str


class Contents(BaseModel):
    """An artefact's own contents, apart from its parts: its files and images, and the packages in them.

    `unknown` says what could not be told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    subjects: tuple[Subject, ...] = ()
    components: tuple[Component, ...] = ()
    unknown: tuple[str, ...] = ()


FILE = "materials.json"

_CONTENTS = TypeAdapter(Contents)


def write(folder: Path, contents: Contents) -> None:
    """Put the contents into an artefact's folder."""
    (folder / FILE).write_bytes(_CONTENTS.dump_json(contents, indent=1, exclude_defaults=True))


def read(folder: Path) -> Contents | None:
    """The contents that are on record in an artefact's folder."""
    file = folder / FILE
    return _CONTENTS.validate_json(file.read_bytes()) if file.is_file() else None


def merged(found: Iterable[Component]) -> tuple[Component, ...]:
    """Each component once, sorted, with every file that it is in; a proved one is taken before one that is not."""
    known: dict[tuple[str, ...], Component] = {}
    for component in found:
        other = known.get(component.identity)
        if other is None:
            known[component.identity] = component
            continue
        within = tuple(sorted({*other.within, *component.within}))
        kept = other if other.proved or not component.proved else component
        known[component.identity] = kept.model_copy(update={"within": within})
    return tuple(known[identity] for identity in sorted(known))
