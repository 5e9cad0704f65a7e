# SPDX-License-Identifier: Apache-2.0
"""Builds the images of add-ons, and of programs that stand in for them: one static Go program, and nothing else."""

from __future__ import annotations

from pathlib import Path

from harness.foundry import gobuild
from harness.foundry.assemble import ImageConfig, labels, write_image
from harness.foundry.layers import LayerWriter, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix.addons import Program, StandIn

_USER = "65532:65532"
# Bump when this module puts the same inputs together in another way.
_LAYOUT = "1"


def recipe(made: StandIn | Program, image: str) -> Recipe:
    """What the image of that name depends on."""
    inputs = {"module": gobuild.recipe(made.module).key, "image": image, "layout": _LAYOUT}
    if isinstance(made, Program):
        inputs["path"] = made.path
    return Recipe(kind="image", name=made.module, inputs=inputs)


def build(store: Store, made: StandIn | Program, image: str) -> Artifact:
    """The image as an OCI layout. Raises BuildError that names the log."""

    def make(folder: Path, log_file: Path) -> None:
        binary = gobuild.build(store, made.module).folder / "bin" / made.module

        def fill(layer: LayerWriter) -> None:
            layer.folder("tmp", mode=0o1777)
            layer.file(_place(made).lstrip("/"), binary, mode=0o755)

        write_image(folder, [(made.module, write_layer(folder, "layer", fill))], _config(made))
        for name in ("layer.tar.gz", "layer.json"):
            (folder / name).unlink()

    return store.build(recipe(made, image), make)


def _place(made: StandIn | Program) -> str:
    """Where the program is in the image."""
    return made.path if isinstance(made, Program) else f"/usr/bin/{made.module}"


def _config(made: StandIn | Program) -> ImageConfig:
    version = gobuild.build_file(made.module).version
    return ImageConfig(
        entrypoint=[_place(made)],
        environment={"PATH": "/usr/bin"},
        user=_USER,
        labels=labels(
            title=f"{made.module}, built by spark-operator-harness",
            version=version,
            source="",
            revision="",
            licences=gobuild.build_file(made.module).licence,
            built_from=f"clusters/nodes/modules/{made.module}",
        ),
    )
