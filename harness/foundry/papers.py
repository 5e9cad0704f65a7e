# SPDX-License-Identifier: Apache-2.0
"""What is known of stored artefacts: `harness foundry sbom`, `provenance` and `record-packages`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.table import Table

from harness.errors import UsageError
from harness.foundry import argocd, bases, debian, recorded
from harness.foundry.store import Artifact, Store
from harness.foundry.supply import describe, documents
from harness.foundry.supply.components import Component
from harness.foundry.supply.documents import Documents
from harness.images.architecture import architecture
from harness.matrix.names import unknown


def find(store: Store, name: str) -> Artifact:
    """The newest stored artefact of this name: kind and name as `harness foundry list` has them, with a key or without.

    Raises UsageError with suggestions.
    """
    stored = {f"{it.kind} {it.name}": it for it in store.artifacts()}
    keyed = {f"{it.kind} {it.name}-{it.key}": it for it in store.artifacts()}
    found = stored.get(name) or keyed.get(name)
    if found is None:
        if not stored:
            raise UsageError("nothing is stored yet", "nox -s bootstrap -- --source foundry")
        raise unknown("stored artefact", name, stored)
    return found


def of(store: Store, name: str) -> Documents:
    """The documents of a stored artefact, derived anew and written beside it. Raises UsageError and BuildError."""
    return documents.write(store.root, find(store, name).folder)


def overview(store: Store) -> Table:
    """Every stored artefact with how much is known of it; their documents are written on the way."""
    shown = Table(title_justify="left")
    for title in ("kind", "name", "key", "parts", "packages", "with a hash"):
        shown.add_column(title, no_wrap=True)
    shown.add_column("not known", overflow="fold")
    for it in store.artifacts():
        made = documents.write(store.root, it.folder)
        counts = (str(made.parts), str(made.packages), str(made.proved))
        shown.add_row(it.kind, it.name, it.key, *counts, "\n".join(made.unknown))
    return shown


def record_packages(store: Store, file: Path = recorded.FILE) -> Sequence[str]:
    """Write the Debian packages of the stored base systems into the record; lines that say what changed in it.

    Other architectures keep their rows. Raises UsageError when no base system is stored with hashes of its packages.
    """
    systems = dict(_stored(store))
    here = architecture()
    if not systems:
        raise UsageError(
            "no base system is stored with the hashes of its packages", "harness foundry build 'node base systems'"
        )
    old = recorded.read(file).system if file.is_file() else ()
    told = [str(it) for name, found in systems.items() if (it := recorded.drift(name, here, found, old))]
    kept = [it for it in old if it.architecture != here or it.name not in systems]
    file.write_text(recorded.text(kept, here, systems))
    return told or ["the record has all of them already"]


def _stored(store: Store) -> Iterator[tuple[str, tuple[Component, ...]]]:
    for base in (*bases.systems(), argocd.row().base):
        artifact = store.get(debian.recipe(base))
        contents = describe.note(artifact.folder) if artifact else None
        if contents and not contents.unknown:
            yield base.name, contents.components
