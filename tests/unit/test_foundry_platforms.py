# SPDX-License-Identifier: Apache-2.0
"""Images for several architectures: an index of both is what an import reads, and a Go program is for the other one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import BuildError, ToolError, UsageError
from harness.foundry import debian, emulated, gobuild, operator, platforms, spark
from harness.foundry.assemble import ImageConfig, read_image, write_image, write_index
from harness.foundry.layers import Layer, write_layer
from harness.foundry.store import Recipe, Store
from harness.images.architecture import architecture
from harness.images.references import ImageReference
from harness.imports.archive import unpack
from harness.matrix import catalogue

OTHER = next(it for it in platforms.ARCHITECTURES if it != architecture())
NAME = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
RELEASES = catalogue.load().releases


def layer(folder: Path, text: str) -> Layer:
    folder.mkdir(parents=True)
    return write_layer(folder, "layer", lambda writer: writer.text("word", text))


def test_an_index_of_both_is_imported_as_a_whole(tmp_path: Path) -> None:
    shared = layer(tmp_path / "shared", "for both")
    images = {}
    for goarch in platforms.ARCHITECTURES:
        own = layer(tmp_path / f"layer-{goarch}", goarch)
        images[goarch] = write_image(tmp_path / goarch, [("both", shared), (goarch, own)], ImageConfig(), goarch)

    archive = write_index(tmp_path / "index", images, NAME)
    (tmp_path / "unpacked").mkdir()
    found = unpack(archive, tmp_path / "unpacked", ImageReference.parse(NAME), architecture())

    assert found.platforms == ("linux/amd64", "linux/arm64")
    assert not found.left_out
    for goarch, image in images.items():
        assert read_image(image.folder).digest == image.digest
        manifest = json.loads((image.folder / "blobs" / "sha256" / image.digest[7:]).read_text())
        config = json.loads(image.blobs[manifest["config"]["digest"]].read_text())
        assert config["architecture"] == goarch


def test_what_is_for_this_machine_keeps_its_key_and_the_other_has_another() -> None:
    release, base = catalogue.load().release("2.5.2"), spark.catalogue().base

    recipes: tuple[Callable[[str], Recipe], ...] = (
        lambda goarch: debian.recipe(base, goarch),
        lambda goarch: gobuild.recipe("crane", goarch=goarch),
        lambda goarch: operator.recipe(release, goarch),
        lambda goarch: operator.hook_recipe(release, goarch),
    )
    for recipe in recipes:
        assert recipe("").key == recipe(architecture()).key != recipe(OTHER).key


def test_a_module_in_c_is_refused_for_the_other_architecture(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="needs a C compiler"):
        gobuild.build(Store(tmp_path / "artifacts", logs=tmp_path / "logs"), "runc", goarch=OTHER)


def test_the_magic_is_that_of_the_package_of_debian() -> None:
    # /usr/lib/binfmt.d/qemu-aarch64.conf of qemu-user-static 7.2, whose mask leaves e_ident[7] alone as well.
    magic, mask = emulated.magic(183).split(":")
    assert magic == r"\x7f\x45\x4c\x46\x02\x01\x01" + r"\x00" * 9 + r"\x02\x00\xb7\x00"
    assert mask == r"\xff" * 7 + r"\x00" + r"\xff" * 8 + r"\xfe\xff\xff\xff"


def test_without_an_emulator_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ToolError, match="qemu-aarch64-static was not found") as told:
        emulated.prefix("arm64")
    assert "qemu-user-static" in str(told.value)
    with pytest.raises(UsageError, match="riscv64"):
        emulated.prefix("riscv64")


def test_only_images_that_can_be_built_are_offered(tmp_path: Path) -> None:
    assert {"operator-2.5.2", "hook-2.5.2", "operator-2.2.1"} <= set(platforms.names(RELEASES))
    with pytest.raises(UsageError, match=r"operator-9\.9\.9"):
        platforms.build(Store(tmp_path, logs=tmp_path / "logs"), RELEASES, "operator-9.9.9", print)
