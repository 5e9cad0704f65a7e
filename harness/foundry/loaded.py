# SPDX-License-Identifier: Apache-2.0
"""Node images that hold the images of the default cells: a run that needs only those pulls nothing."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from harness.errors import CatalogueError
from harness.foundry import images, kubernetes, node_images, nodes
from harness.foundry.images import ImageBuild
from harness.foundry.kubernetes import KubernetesRow
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix import catalogue
from harness.settings import Settings


@dataclass(frozen=True, kw_only=True)
class LoadedNode:
    """A node image with images: `reference` in the container engine, `held` are the references that it holds.

    Without `builds` it is the node image without images itself.
    """

    row: KubernetesRow
    builds: tuple[ImageBuild, ...]

    @property
    def recipe(self) -> Recipe:
        """What it depends on: for the images their digests, since a base system is not the same on every day.

        Two caches on one host then have nodes of their own in the engine that they share.
        """
        inputs = {build.reference: build.digest() for build in self.builds}
        return Recipe(
            kind="kind-node-with-images",
            name=self.row.version,
            inputs={"node": nodes.node_recipe(self.row).key, "names": "tag and digest", **inputs},
        )

    @property
    def reference(self) -> str:
        """The reference by which the container engine knows it."""
        if not self.builds:
            return self.plain
        return f"{nodes.REPOSITORY}:v{self.row.version}-with-images-{self.recipe.key}"

    @property
    def plain(self) -> str:
        """The reference of the same node without images."""
        return nodes.node_image(self.row)

    @property
    def identity(self) -> str:
        """Its identity across machines, regardless of the images in it."""
        return nodes.node_recipe(self.row).key

    @property
    def held(self) -> tuple[str, ...]:
        """References of the images in it."""
        return tuple(build.reference for build in self.builds)

    def exists(self) -> bool:
        """Whether the container engine has it."""
        return node_images.image_size(self.reference) > 0

    def build(self, store: Store) -> Artifact:
        """Build it, and the node image below it, when they are missing. Raises BuildError that names the log."""
        if not self.builds:
            return nodes.build_node(store, self.row)
        layouts = {build.reference: build.make(store).folder for build in self.builds}
        stored = store.get(self.recipe)
        if stored and not self.exists():
            store.remove(stored)
        nodes.build_node(store, self.row)

        def make(folder: Path, log_file: Path) -> None:
            with tempfile.TemporaryDirectory(prefix="soh-node-") as scratch:
                archive = Path(scratch) / "images.tar"
                node_images.write_import(archive, layouts)
                node_images.commit_with_images(nodes.node_image(self.row), self.reference, archive, log_file=log_file)
            node_images.note_image(folder, self.reference)

        return store.build(self.recipe, make)


def loaded_node(settings: Settings, row: KubernetesRow) -> LoadedNode:
    """The node with images for a Kubernetes version. Raises CatalogueError when `hold` names an image that the foundry
    does not build."""
    known = {build.reference: build for build in images.builders(settings, catalogue.of(settings).releases)}
    return LoadedNode(row=row, builds=tuple(_known(reference, known) for reference in kubernetes.held_images()))


def _known(reference: str, known: dict[str, ImageBuild]) -> ImageBuild:
    try:
        return known[reference]
    except KeyError:
        raise CatalogueError(
            f"clusters/nodes/kubernetes.toml: hold names {reference}, which the foundry does not build",
            f"it builds {', '.join(known)}",
        ) from None
