# SPDX-License-Identifier: Apache-2.0
"""Builds Argo CD: its one program from its Go module, Helm, and Redis of Debian, as an image of the container engine.

The program is application controller and repository server; the name by which it is called says which
(cmd/main.go of argo-cd).
"""

from __future__ import annotations

import functools
import platform
import shutil
from pathlib import Path

from harness import process
from harness.foundry import debian, gobuild
from harness.foundry.assemble import ImageConfig, labels, pack, read_image, write_image
from harness.foundry.layers import LayerWriter, Owner, read_layer, write_layer
from harness.foundry.node_images import ENGINE_SECONDS, image_size, note_image
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import BUILD_PACKAGES, ENGINE, Progress, Step
from harness.matrix.rows import Model
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

STEP = "Argo CD"
MANIFESTS = "manifests"
"""The folder of the artefact with the objects that Argo CD needs in the cluster."""

_FILE = PROJECT_ROOT / "clusters" / "argocd.toml"
_GIGABYTE = 10**9
_SOURCE = "https://github.com/argoproj/argo-cd"


class ArgoCd(Model):
    """clusters/argocd.toml."""

    name: str
    module: str
    go_module: str
    manifests: tuple[str, ...]
    helm: str
    base: debian.BaseSystem

    @property
    def version(self) -> str:
        """Argo CD's, without `v`."""
        return gobuild.build_file(self.module).version


@functools.cache
def row() -> ArgoCd:
    """The file of the project. Raises CatalogueError with file, line and key."""
    return read(_FILE)


def read(file: Path) -> ArgoCd:
    """Such a file. Raises as `row`."""
    return TomlSource.read(file).validated(ArgoCd)


def recipe() -> Recipe:
    """What the image depends on."""
    inputs = {
        "row": row().model_dump_json(),
        "argocd": gobuild.recipe(row().module).key,
        "helm": gobuild.recipe(row().helm).key,
        "base": debian.recipe(row().base).key,
        "machine": platform.machine(),
        "config": str(_config().document()),
    }
    return Recipe(kind="image", name="argocd", inputs=inputs)


def reference() -> str:
    """The image's name in the container engine."""
    return f"{row().name}:{row().version}-{recipe().key}"


def step(store: Store) -> Step:
    """The build as a step of a bootstrap."""

    def run(progress: Progress) -> None:
        progress(f"building Argo CD {row().version}")
        build(store)
        drift = debian.drift(store, row().base)
        if drift:
            progress(str(drift))

    return Step(
        name=STEP,
        done=lambda: store.get(recipe()) is not None and image_size(reference()) > 0,
        run=run,
        needs=(BUILD_PACKAGES, ENGINE),
        heavy=True,
        size=lambda: image_size(reference()),
        estimate=300.0,
        room=4 * _GIGABYTE,
    )


def build(store: Store) -> Artifact:
    """The image in the container engine; the artefact has its layers, and the CRDs in the folder MANIFESTS.

    An image that the engine has lost is loaded again. Raises BuildError that names the log, CommandError.
    """
    base = debian.build(store, row().base)
    programs = {it: gobuild.build(store, it).folder / "bin" for it in (row().module, row().helm)}

    def make(folder: Path, log_file: Path) -> None:
        source = gobuild.module_folder(store, row().module, row().go_module, log_file)
        (folder / MANIFESTS).mkdir()
        for path in row().manifests:
            shutil.copyfile(source / path, folder / MANIFESTS / Path(path).name)
        layer = write_layer(folder, "layer", lambda it: _fill(it, programs))
        layers = [(row().base.name, read_layer(base.folder)), (f"Argo CD {row().version}", layer)]
        write_image(folder, layers, _config())
        for name in ("layer.tar.gz", "layer.json"):
            (folder / name).unlink()

    artifact = store.build(recipe(), make)
    if not image_size(reference()):
        _load(artifact)
    return artifact


def _load(artifact: Artifact) -> None:
    archive = artifact.folder / "image.tar"
    try:
        pack(read_image(artifact.folder), reference(), archive)
        process.call(["docker", "load", "--input", archive], timeout=ENGINE_SECONDS)
        note_image(artifact.folder, reference())
    finally:
        archive.unlink(missing_ok=True)


def _fill(layer: LayerWriter, programs: dict[str, Path]) -> None:
    for module, name in ((row().module, "argocd"), (row().helm, "helm")):
        layer.file(f"usr/local/bin/{name}", programs[module] / name, mode=0o755)
    user = row().base.user[0]
    for folder in (user.home.lstrip("/"), "app/config", "helm-working-dir"):
        layer.folder(folder, owner=Owner(uid=user.id, gid=user.id))


def _config() -> ImageConfig:
    user = row().base.user[0]
    told = labels(
        title="argocd",
        version=row().version,
        source=_SOURCE,
        licences=gobuild.build_file(row().module).licence,
        built_from=f"Go module {row().go_module} and Debian {row().base.suite}",
    )
    return ImageConfig(
        environment={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": user.home, "USER": user.name},
        user=f"{user.id}:{user.id}",
        working_dir=user.home,
        labels=told,
    )
