# SPDX-License-Identifier: Apache-2.0
"""A user's imports, for the matrix, and why a release is not available from a source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.matrix.release import Release


@dataclass(frozen=True, kw_only=True)
class Imported:
    """Full references of imported images, and versions of imported charts."""

    images: frozenset[str] = frozenset()
    charts: frozenset[str] = frozenset()


NOTHING = Imported()


def why_not_offered(release: Release, source: str, imported: Imported = NOTHING, *, hook: bool = False) -> str:
    """Why this source does not offer a release, with the imports that would help; empty when it does.

    `source` is `upstream`, `mirror` (which offers what upstream offers) or `foundry`, whose registries serve what was
    imported, too. `hook` says that the image of the CRD hook is needed.
    """
    if release.under_test:
        return ""
    if source != "foundry":
        if "upstream" in release.sources:
            return ""
        return f"upstream does not publish release {release.name}{_because(release)}"
    if "foundry" in release.sources:
        return ""
    lines = list(_missing(release, imported, hook=hook))
    if not lines:
        return ""
    return f"the foundry does not build release {release.name}{_because(release)} Import it: {'; '.join(lines)}"


def _because(release: Release) -> str:
    return f": {release.notes}" if release.notes else "."


def _missing(release: Release, imported: Imported, *, hook: bool) -> Iterator[str]:
    """The commands that import what is missing."""
    wanted = [release.image, *([release.hook_image] if hook and release.hook_image else [])]
    for reference in wanted:
        if reference not in imported.images:
            yield f"`harness images import FILE.tar --as {reference}`"
    if release.version not in imported.charts:
        yield f"`harness charts import spark-operator-{release.version}.tgz`"
