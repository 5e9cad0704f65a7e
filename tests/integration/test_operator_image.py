# SPDX-License-Identifier: Apache-2.0
"""An image of the operator is taken from where it is, and a real registry server has it under the name for the run.

`docker` is a stand-in that has one image: whether this machine has an engine must not matter here.
"""

from __future__ import annotations

import platform
import tarfile
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.foundry.assemble import Image, ImageConfig, write_image
from harness.foundry.layers import write_layer
from harness.foundry.publish import Publisher, published
from harness.registries.local import serve
from harness.settings import Settings
from harness.under_test import image
from harness.under_test.image import GivenImage

REFERENCE = "operator-under-test.invalid/spark-operator:dev-0123456789ab"
ENGINES = "sha256:" + "e5" * 32


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def built(tmp_path: Path) -> Image:
    (tmp_path / "layer").mkdir()
    layer = write_layer(tmp_path / "layer", "layer", lambda writer: writer.text("usr/bin/spark-operator", "a program"))
    return write_image(tmp_path / "image", [("layer", layer)], ImageConfig())


@pytest.fixture
def archive(tmp_path: Path, built: Image) -> Path:
    file = tmp_path / "operator.tar"
    with tarfile.open(file, "w") as packed:
        packed.add(built.folder, ".")
    return file


@pytest.fixture(autouse=True)
def _engine(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine knows the archive's image as spark-operator:mine."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text(
        f'#!/bin/sh\ncase "$5" in spark-operator:mine*) echo {ENGINES}; exit;; esac\n'
        f'case "$1 $4" in "save spark-operator:mine"*) /bin/cp {archive} "$3"; exit;; esac\nexit 1\n'
    )
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", str(docker.parent))


def bring(given: GivenImage, settings: Settings, registry_binary: Path) -> str:
    return image.bring(given, REFERENCE, settings, lambda line: None, registry=registry_binary)


def test_an_archive_is_told_by_its_hash(archive: Path, built: Image, settings: Settings, registry_binary: Path) -> None:
    given = image.find(str(archive), settings)
    assert given.where == "file"
    assert bring(given, settings, registry_binary) == built.digest
    assert published(settings.cache_dir / "registry", REFERENCE) == built.digest

    archive.write_bytes(b"another")
    assert image.find(str(archive), settings).identity != given.identity


def test_what_the_engine_has_comes_before_what_a_registry_has(
    built: Image, settings: Settings, registry_binary: Path
) -> None:
    given = image.find("spark-operator:mine", settings)
    assert given == GivenImage(name="spark-operator:mine", where="engine", identity=ENGINES)
    assert bring(given, settings, registry_binary) == built.digest


def test_an_image_of_the_engine_may_be_named_by_its_digest_in_a_registry(
    built: Image, settings: Settings, registry_binary: Path
) -> None:
    given = image.find(f"spark-operator:mine@sha256:{'0' * 64}", settings)
    assert bring(given, settings, registry_binary) == built.digest


def test_an_image_that_is_pushed_for_other_machines_is_refused(
    tmp_path: Path, built: Image, settings: Settings, registry_binary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = tmp_path / "theirs"
    Publisher(theirs, registry=registry_binary, logs=tmp_path).publish(built, "registry.example.com/team/operator:pr-7")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with serve(registry_binary, theirs / "registry.example.com", tmp_path / "registry.log", readonly=True) as server:
        given = image.find(f"{server.address}/team/operator:pr-7", settings)
        with pytest.raises(UsageError, match=r"has it for linux/\w+, not for linux/riscv64"):
            bring(given, settings, registry_binary)
    assert not published(settings.cache_dir / "registry", REFERENCE)


def test_an_image_of_a_registry_keeps_its_digest(
    tmp_path: Path, built: Image, settings: Settings, registry_binary: Path
) -> None:
    theirs = tmp_path / "theirs"
    log = tmp_path / "registry.log"
    Publisher(theirs, registry=registry_binary, logs=tmp_path).publish(built, "registry.example.com/team/operator:pr-7")
    with serve(registry_binary, theirs / "registry.example.com", log, readonly=True) as server:
        given = image.find(f"{server.address}/team/operator:pr-7", settings)
        assert (given.where, given.identity) == ("registry", built.digest)
        assert bring(given, settings, registry_binary) == built.digest
        with pytest.raises(UsageError, match=r"the container engine has no such image, and of its registry: .* 404"):
            image.find(f"{server.address}/team/operator:pr-8", settings)
    # What is there already is not asked for again.
    assert bring(given, settings, registry_binary) == built.digest
