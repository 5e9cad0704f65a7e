# SPDX-License-Identifier: Apache-2.0
"""Images of a release for several architectures, as an index in one archive, which `harness images import` reads.

Go programs are compiled for the other architecture; Debian's own scripts run under QEMU. What is for another
architecture than this machine's has not run here.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.foundry import operator
from harness.foundry.assemble import read_image, write_index
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import Progress
from harness.images.architecture import architecture
from harness.matrix.release import Release

ARCHITECTURES = ("amd64", "arm64")
"""Those for which the project publishes its images."""

ARCHIVE = "image.tar"
_KINDS = {"operator": (operator.recipe, operator.build), "hook": (operator.hook_recipe, operator.build_hook)}


def names(releases: Iterable[Release]) -> list[str]:
    """What there can be an index of: `operator-2.5.2`, `hook-2.5.2`."""
    known = [it for it in releases if "foundry" in it.sources]
    return [f"{kind}-{it.name}" for it in known for kind in _KINDS if kind == "operator" or it.hook_image]


def build(store: Store, releases: Iterable[Release], name: str, progress: Progress) -> tuple[str, Path]:
    """The image's full name, and the archive of its index. Raises UsageError for another name, BuildError."""
    known = list(releases)
    if name not in names(known):
        raise UsageError(
            f"there is no image {name!r} for several architectures", f"there are: {', '.join(names(known))}"
        )
    kind, _, wanted = name.partition("-")
    release = next(it for it in known if it.name == wanted)
    recipe_of, build_of = _KINDS[kind]
    reference = release.image if kind == "operator" else release.hook_image
    parts: dict[str, Artifact] = {}
    for goarch in ARCHITECTURES:
        progress(f"building {reference} for linux/{goarch}")
        parts[goarch] = build_of(store, release, goarch)
    recipe = Recipe(
        kind="image",
        name=f"{name}-platforms",
        inputs={goarch: recipe_of(release, goarch).key for goarch in ARCHITECTURES} | {"reference": reference},
    )

    def make(folder: Path, log_file: Path) -> None:
        write_index(folder, {goarch: read_image(part.folder) for goarch, part in parts.items()}, reference)

    return reference, store.build(recipe, make).folder / ARCHIVE


def not_run() -> str:
    """Which of them this machine cannot run."""
    return ", ".join(f"linux/{it}" for it in ARCHITECTURES if it != architecture())
