# SPDX-License-Identifier: Apache-2.0
"""The Debian packages of the base systems as last reviewed (clusters/nodes/packages.toml), and what differs from them.

A mirror of Debian serves today's packages: it replaces them with security fixes, and drops the old ones. The record
says which ones there were, each with the SHA-256 of its file, so that nothing changes unnoticed.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field

from harness.errors import BuildError
from harness.foundry.kubernetes import NODES
from harness.foundry.supply.components import Component
from harness.foundry.supply.debs import Listed, listed
from harness.matrix.rows import Model
from harness.toml_source import TomlSource
from harness.wording import counted, first_few

FILE = NODES / "packages.toml"

_SHOWN = 5
_HEAD = """\
# SPDX-License-Identifier: Apache-2.0
# The Debian packages of the base systems as last reviewed: name, version and SHA-256 of the file.
# `harness foundry record-packages` writes what is stored; docs/foundry.md says what a difference means.
"""


_Package = Annotated[str, Field(pattern=r"^\S+ \S+ [0-9a-f]{64}$")]


class RecordedSystem(Model):
    """A base system on one architecture; a package is `name version sha256`."""

    name: str
    architecture: str
    packages: tuple[_Package, ...]

    @property
    def listed(self) -> Listed:
        """Name → version and SHA-256."""
        rows = (line.split() for line in self.packages)
        return {name: (version, sha256) for name, version, sha256 in rows}


class RecordedSystems(Model):
    """The file."""

    system: tuple[RecordedSystem, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How the packages of a base system differ from the record.

    `changed` has a line for each other version, new or missing package. `replaced` are packages of a recorded version
    whose file is another one, which no archive of Debian does.
    """

    system: str
    changed: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    recorded: bool = True

    def __str__(self) -> str:
        if not self.recorded:
            return f"{self.system}: its Debian packages are not on record"
        count = counted(
            len(self.changed), "Debian package differs from the record", "Debian packages differ from the record"
        )
        return f"{self.system}: {count}: {first_few(self.changed, _SHOWN)}"

    def __bool__(self) -> bool:
        return bool(self.changed or self.replaced or not self.recorded)


@functools.cache
def systems() -> tuple[RecordedSystem, ...]:
    """The record. Raises CatalogueError with file, line and key."""
    return read(FILE).system


def read(file: Path) -> RecordedSystems:
    """A record of packages. Raises CatalogueError with file, line and key."""
    return TomlSource.read(file).validated(RecordedSystems)


def drift(system: str, architecture: str, found: Iterable[Component], known: Iterable[RecordedSystem]) -> Drift:
    """How a base system's packages differ from the record in `known`."""
    rows = [it.listed for it in known if (it.name, it.architecture) == (system, architecture)]
    return _compared(system, rows[0], listed(found)) if rows else Drift(system=system, recorded=False)


def require(found: Drift, *, exactly: bool) -> None:
    """Refuse what must not be built. Raises BuildError for a replaced file, and with `exactly` for any difference."""
    if found.replaced:
        raise BuildError(
            f"{found.system}: the mirror serves other files under recorded versions: {', '.join(found.replaced)}",
            "do not use what it serves; compare it with another mirror of Debian",
        )
    if exactly and found:
        raise BuildError(
            str(found),
            'set debian_packages = "any", or review the packages and run `harness foundry record-packages`',
        )


def text(kept: Iterable[RecordedSystem], architecture: str, found: Mapping[str, Iterable[Component]]) -> str:
    """The record with the rows that are kept and those of the base systems found on this architecture."""
    rows = [(it.name, it.architecture, it.listed) for it in kept]
    rows += [(name, architecture, listed(components)) for name, components in found.items()]
    return "\n".join([_HEAD, *(_row(name, on, packages) for name, on, packages in sorted(rows, key=lambda it: it[:2]))])


def _row(name: str, architecture: str, packages: Listed) -> str:
    lines = "".join(f'    "{it} {version} {sha256}",\n' for it, (version, sha256) in sorted(packages.items()))
    return f'[[system]]\nname = "{name}"\narchitecture = "{architecture}"\npackages = [\n{lines}]\n'


def _compared(system: str, there: Listed, here: Listed) -> Drift:
    changed = [f"{name} {there[name][0]} is missing" for name in sorted(there.keys() - here.keys())]
    changed += [f"{name} {here[name][0]} is new" for name in sorted(here.keys() - there.keys())]
    replaced = []
    for name in sorted(there.keys() & here.keys()):
        (version, sha256), (now, found) = there[name], here[name]
        if version != now:
            changed.append(f"{name} {version} → {now}")
        elif found and sha256 != found:
            replaced.append(f"{name} {version}")
    return Drift(system=system, changed=tuple(changed), replaced=tuple(replaced))
