# SPDX-License-Identifier: Apache-2.0
"""Builds the image of the harness itself: Debian's Python, the packages of requirements.lock, Helm, and the harness.

The result is an archive that `docker load` and `podman load` read, so that neither a registry nor a builder is needed.
"""

from __future__ import annotations

import functools
import hashlib
import json
import platform
import shutil
import sys
from pathlib import Path

from harness import __version__, home, process
from harness.foundry import debian, gobuild, spark
from harness.foundry.assemble import ImageConfig, labels, pack, write_image
from harness.foundry.layers import LayerWriter, Owner, read_layer, write_layer
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import Progress, Step
from harness.invocation import SHIPPED
from harness.matrix.rows import Model
from harness.toml_source import TomlSource

STEP = "harness image"
ARCHIVE = "image.tar"

_FILE = spark.RECIPES / "harness.toml"
_ROOT = "opt/harness"
_INSTALL_SECONDS = 900.0
_GIGABYTE = 10**9


class HarnessImage(Model):
    """charts/images/harness.toml."""

    name: str
    python: str
    platforms: tuple[str, ...]
    base: debian.BaseSystem

    @property
    def reference(self) -> str:
        """Its name in the engine."""
        return f"{self.name}:{__version__}"


@functools.cache
def row() -> HarnessImage:
    """The file of the project. Raises CatalogueError with file, line and key."""
    return read(_FILE)


def read(file: Path) -> HarnessImage:
    """A file that says what goes into the image. Raises CatalogueError with file, line and key."""
    return TomlSource.read(file).validated(HarnessImage)


def recipe() -> Recipe:
    """What the image depends on. Raises UsageError outside a checkout, which alone has requirements.lock."""
    root = home.require_checkout(f"the foundry's {STEP}")
    sources = {it.relative_to(root).as_posix(): hashlib.sha256(it.read_bytes()).hexdigest() for it in _files(root)}
    inputs = {
        "row": row().model_dump_json(),
        "lock": (root / "requirements.lock").read_text(),
        "sources": json.dumps(sources),
        "helm": gobuild.recipe("helm").key,
        "base": debian.recipe(row().base).key,
        "machine": platform.machine(),
        "config": str(_config().document()),
    }
    return Recipe(kind="image", name="harness", inputs=inputs)


def step(store: Store) -> Step:
    """The build as a step of the foundry."""

    def run(progress: Progress) -> None:
        progress(f"building {row().reference}")
        build(store)

    return Step(
        name=STEP,
        done=lambda: store.get(recipe()) is not None,
        run=run,
        size=lambda: found.size if (found := store.get(recipe())) else 0,
        estimate=120.0,
        room=_GIGABYTE,
    )


def archive(store: Store) -> Path:
    """The archive of the image once it is built."""
    return build(store).folder / ARCHIVE


def build(store: Store) -> Artifact:
    """The image as an OCI layout, and as one archive. Raises BuildError that names the log."""
    base = debian.build(store, row().base)
    helm = gobuild.build(store, "helm").folder / "bin" / "helm"

    def make(folder: Path, log_file: Path) -> None:
        packages = folder / "packages"
        _install(packages, folder / "requirements.txt", log_file)
        write_layer(folder, "layer", lambda layer: _fill(layer, packages, helm))
        layers = [(row().base.name, read_layer(base.folder)), (f"harness {__version__}", read_layer(folder))]
        image = write_image(folder, layers, _config())
        pack(image, row().reference, folder / ARCHIVE)
        shutil.rmtree(packages)

    return store.build(recipe(), make)


def _install(target: Path, requirements: Path, log_file: Path) -> None:
    """Install the locked packages for the image's Python, whatever this process runs on."""
    root = home.require_checkout(f"the foundry's {STEP}")
    chosen = process.call([sys.executable, root / ".ci" / "requirements.py", "select", "run"], timeout=60)
    requirements.write_text(chosen.stdout)
    argv: list[str | Path] = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    argv += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-compile", "--target", target]
    argv += ["--python-version", row().python, "--implementation", "cp"]
    argv += [f"--platform={it}_{platform.machine()}" for it in row().platforms]
    process.call([*argv, "-r", requirements], timeout=_INSTALL_SECONDS, log_file=log_file)


def _fill(layer: LayerWriter, packages: Path, helm: Path) -> None:
    user = row().base.user[0]
    root = home.require_checkout(f"the foundry's {STEP}")
    layer.tree(_ROOT, packages)
    for file in _files(root):
        path = file.relative_to(root).as_posix()
        layer.file(f"{_ROOT}/{path if path.startswith('harness/') else f'harness/{SHIPPED}/{path}'}", file)
    layer.file("usr/local/bin/helm", helm, mode=0o755)
    layer.text("usr/local/bin/harness", '#!/bin/sh\nexec python3 -m harness.cli "$@"\n', mode=0o755)
    for folder in (user.home.lstrip("/"), "work"):
        layer.folder(folder, owner=Owner(uid=user.id, gid=user.id))


def _files(root: Path) -> list[Path]:
    """What a wheel of the checkout has: the package and the catalogues."""
    folders = (root / name for name in ("harness", "charts", "clusters"))
    files = (it for folder in folders for it in sorted(folder.rglob("*")))
    return [*(it for it in files if it.is_file() and "__pycache__" not in it.parts), root / ".github" / "ci.toml"]


def _config() -> ImageConfig:
    user = row().base.user[0]
    return ImageConfig(
        entrypoint=("/usr/local/bin/harness",),
        environment={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": user.home,
            "PYTHONPATH": f"/{_ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        user=f"{user.id}:{user.id}",
        working_dir="/work",
        labels=labels(
            title="spark-operator-harness",
            version=__version__,
            source="",
            licences="Apache-2.0",
            built_from=f"requirements.lock and Debian {row().base.suite}",
        ),
    )
