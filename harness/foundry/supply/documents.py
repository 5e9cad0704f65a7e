# SPDX-License-Identifier: Apache-2.0
"""The two documents beside each artefact: its bill of materials and its provenance."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.foundry.supply import describe, provenance, sbom
from harness.foundry.supply.subjects import PROVENANCE, SBOM


@dataclass(frozen=True, kw_only=True)
class Documents:
    """The documents as text, and how much is in them: parts, packages, packages with a hash, and what is not known."""

    sbom: str
    provenance: str
    parts: int
    packages: int
    proved: int
    unknown: tuple[str, ...]


def write(root: Path, folder: Path) -> Documents:
    """Derive the documents of the artefact in `folder` from what is on record of it and its parts, and write them.

    Raises CommandError or OSError when something of it cannot be read, BuildError when a document is not valid.
    """
    found = describe.described(root, folder)
    made = Documents(
        sbom=sbom.text(found),
        provenance=provenance.text(found),
        parts=len(found.parts),
        packages=len(found.components),
        proved=sum(it.proved for it in found.components),
        unknown=found.unknown,
    )
    _put(folder / SBOM, made.sbom)
    _put(folder / PROVENANCE, made.provenance)
    return made


def _put(file: Path, text: str) -> None:
    """Write a file as a whole: two commands may describe one artefact at the same time."""
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    beside.write_text(text)
    beside.rename(file)
