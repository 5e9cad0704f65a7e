# SPDX-License-Identifier: Apache-2.0
"""Puts what upstream published in the place of copies that only sites have, for those who asked for no release by name.

The default selection and the tiers begin their upgrades with a copy of a newer release in the old registry, since the
foundry can build no release that upstream has there. Where images come from upstream, the real one is to be had.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.matrix import expand
from harness.matrix.catalogue import Catalogue
from harness.matrix.model import Cell, Path


def with_published(catalogue: Catalogue, cells: Iterable[Cell]) -> list[Cell]:
    """The cells, with paths of releases that upstream has in the registry of a copy; one without such a path stays."""
    return [_moved(cell, _published(catalogue, cell.path)) for cell in cells]


def _moved(cell: Cell, path: Path) -> Cell:
    """A cell of the same tiers on another path."""
    tags = (*(it for it in cell.tags if it not in cell.path.tags), *path.tags)
    return cell.model_copy(update={"path": path, "tags": tuple(dict.fromkeys(tags))})


def _published(catalogue: Catalogue, path: Path) -> Path:
    name = path.name
    for place in catalogue.relocations:
        for release in path.releases:
            if place.published and release.endswith(f"@{place.host}"):
                name = name.replace(release, place.published)
    try:
        return path if name == path.name else expand.find_path(catalogue, name)
    except UsageError:
        return path
