# SPDX-License-Identifier: Apache-2.0
"""The files and images that an artefact consists of, by name and SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from harness.foundry.supply import components, record
from harness.foundry.supply.components import Subject

SBOM = "sbom.cdx.json"
PROVENANCE = "provenance.json"
PACKAGES = "packages.txt"
"""apt's records of a base system's packages, which its build leaves in the artefact's folder."""

_NOTES = (record.FILE, components.FILE, SBOM, PROVENANCE, PACKAGES)
_ENGINE_NOTE = "image.txt"


def subjects(folder: Path) -> tuple[Subject, ...]:
    """What an artefact consists of; the blobs of an image are told by its manifest."""
    return tuple(_subjects(folder))


def _subjects(folder: Path) -> Iterator[Subject]:
    layouts = sorted(path.parent for path in folder.rglob("oci-layout"))
    for layout in layouts:
        digest = json.loads((layout / "index.json").read_text())["manifests"][0]["digest"]
        inside = layout.relative_to(folder).as_posix()
        yield Subject(name="image" if inside == "." else inside, sha256=digest.removeprefix("sha256:"))
    note = folder / _ENGINE_NOTE
    words = note.read_text().split() if note.is_file() else []
    if len(words) > 1:
        yield Subject(name=words[0], sha256=words[1].removeprefix("sha256:"))
    for path in sorted(folder.rglob("*")):
        beside = path.parent == folder and path.name in (*_NOTES, _ENGINE_NOTE)
        if path.is_file() and not beside and not any(path.is_relative_to(layout) for layout in layouts):
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            yield Subject(name=path.relative_to(folder).as_posix(), sha256=digest)
