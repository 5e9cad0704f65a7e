# SPDX-License-Identifier: Apache-2.0
"""The images that the foundry builds for applications and operators, each with its state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BuildError
from harness.foundry import gobuild, kustomization, operator, spark, stand_in
from harness.foundry.assemble import read_image
from harness.foundry.imported import Imports
from harness.foundry.publish import Publisher, published
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import Progress
from harness.matrix.addons import Addon, Program, StandIn
from harness.matrix.release import Release
from harness.settings import Settings

_SPARK_SECONDS = 75.0
_OPERATOR_SECONDS = 90.0
_HOOK_SECONDS = 10.0
_STAND_IN_SECONDS = 240.0
_GIGABYTE = 10**9


@dataclass(frozen=True, kw_only=True)
class ImageBuild:
    """An image under its real name: built into the store, then published in the storage of its registry host.

    `parts` are the recipes of what it is made from, `seconds` is what the build takes on two cores, `room` the free
    disk that it needs meanwhile, in bytes. One that is `on_demand` is no part of a bootstrap that does not ask for it.
    """

    name: str
    reference: str
    recipe: Recipe
    parts: tuple[Recipe, ...]
    seconds: float
    room: int
    make: Callable[[Store], Artifact]
    settings: Settings
    on_demand: bool = False

    def done(self) -> bool:
        """Whether the image is stored and its registry's storage has exactly that digest, or an imported one."""
        if self.imported:
            return True
        artifact = Store.of(self.settings).get(self.recipe)
        return artifact is not None and published(registries(self.settings), self.reference) == _digest(artifact)

    def build(self, progress: Progress) -> str:
        """Build what is missing, publish it, and return the digest. Raises BuildError or RegistryError.

        An image that a user imported under this name is kept.
        """
        if self.imported:
            return published(registries(self.settings), self.reference)
        progress(f"building {self.reference}")
        artifact = self.make(Store.of(self.settings))
        progress(f"publishing {self.reference}")
        return publisher(self.settings).publish(read_image(artifact.folder), self.reference)

    @property
    def imported(self) -> bool:
        """Whether a user imported an image under this name, which then replaces the foundry's."""
        known = Imports.of(self.settings).read().image(self.reference)
        return known is not None and published(registries(self.settings), self.reference) == known.digest

    def digest(self) -> str:
        """The digest of the stored image; empty when it is not built, or damaged, which `build` reports."""
        artifact = Store.of(self.settings).get(self.recipe)
        try:
            return _digest(artifact) if artifact else ""
        except BuildError:
            return ""

    def size(self) -> int:
        """The pull size in bytes; 0 when it is not built."""
        artifact = Store.of(self.settings).get(self.recipe)
        return read_image(artifact.folder).size if artifact else 0


def builders(settings: Settings, releases: Iterable[Release]) -> list[ImageBuild]:
    """The Spark images that applications run on, then operator and hook image of those releases that can be built.

    A relocated release's are those of the release itself under the names of the copies.
    """
    builds = [spark_build(settings, row.version) for row in spark.catalogue().spark if row.published]
    for release in releases:
        if "foundry" in release.sources:
            builds.append(_operator_build(settings, release))
            if release.hook_image:
                builds.append(_hook_build(settings, release))
    return builds


def recipes(settings: Settings, releases: Iterable[Release]) -> list[Recipe]:
    """The recipes of all those images, of their parts and of the charts."""
    known = list(releases)
    found = [recipe for build in builders(settings, known) for recipe in (build.recipe, *build.parts)]
    versions = dict.fromkeys(release.version for release in known if "foundry" in release.sources)
    deployable = dict.fromkeys(it.version for it in known if it.version in versions and it.kustomize)
    return [*found, *map(operator.chart_recipe, versions), *map(kustomization.recipe, deployable)]


def addon_builds(settings: Settings, addon: Addon) -> list[ImageBuild]:
    """The images that are built for an add-on: its own, or the one of the program that stands in for it."""
    found = []
    if addon.program:
        found.append(_program_build(settings, addon.program, addon.images[0]))
    if addon.stand_in:
        found.append(_program_build(settings, addon.stand_in, addon.stand_in.image))
    return found


def _program_build(settings: Settings, made: Program | StandIn, image: str) -> ImageBuild:
    return ImageBuild(
        name=made.module,
        reference=image,
        recipe=stand_in.recipe(made, image),
        parts=(gobuild.recipe(made.module),),
        seconds=_STAND_IN_SECONDS,
        room=3 * _GIGABYTE,
        make=lambda artifacts: stand_in.build(artifacts, made, image),
        settings=settings,
    )


def registries(settings: Settings) -> Path:
    """The folder with one storage per registry host."""
    return settings.cache_dir / "registry"


def publisher(settings: Settings) -> Publisher:
    """A publisher with the registry server of the tool modules, which is built when it is missing."""
    artifacts = Store.of(settings)
    return Publisher(
        registries(settings),
        registry=gobuild.build(artifacts, "registry").folder / "bin" / "registry",
        logs=artifacts.logs,
    )


def _digest(artifact: Artifact) -> str:
    return read_image(artifact.folder).digest


def spark_build(settings: Settings, version: str) -> ImageBuild:
    """The image of a Spark version. Raises CatalogueError that names those there are."""
    return ImageBuild(
        name=f"spark-{version}",
        reference=spark.reference(version),
        recipe=spark.recipe(version),
        parts=tuple(spark.parts(version)),
        seconds=_SPARK_SECONDS,
        # Source distribution, pip's look at it, the unpacked tree and the layer.
        room=3 * _GIGABYTE,
        make=lambda artifacts: spark.build(artifacts, version),
        settings=settings,
        on_demand=spark.catalogue().row(version).on_demand,
    )


def _operator_build(settings: Settings, release: Release) -> ImageBuild:
    return ImageBuild(
        name=f"operator-{release.name}",
        reference=release.image,
        recipe=operator.recipe(release),
        parts=tuple(operator.parts(release)),
        seconds=_OPERATOR_SECONDS,
        room=2 * _GIGABYTE,
        make=lambda artifacts: operator.build(artifacts, release),
        settings=settings,
    )


def _hook_build(settings: Settings, release: Release) -> ImageBuild:
    return ImageBuild(
        name=f"hook-{release.name}",
        reference=release.hook_image,
        recipe=operator.hook_recipe(release),
        parts=tuple(operator.hook_parts(release)),
        seconds=_HOOK_SECONDS,
        room=_GIGABYTE,
        make=lambda artifacts: operator.build_hook(artifacts, release),
        settings=settings,
    )
