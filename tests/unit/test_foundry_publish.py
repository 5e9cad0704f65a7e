# SPDX-License-Identifier: Apache-2.0
"""What a storage is seen to hold, without a server: everything whole, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.foundry.assemble import Image, ImageConfig, write_image
from harness.foundry.layers import write_layer
from harness.foundry.publish import published

REFERENCE = "docker.io/apache/spark:4.0.4"


@pytest.fixture
def image(tmp_path: Path) -> Image:
    layer = write_layer(tmp_path, "layer", lambda writer: writer.text("file", "content"))
    return write_image(tmp_path / "image", [("layer", layer)], ImageConfig())


@pytest.fixture
def storage(tmp_path: Path, image: Image) -> Path:
    """A storage as a server leaves it after a push; the integration tests have a server do it."""
    base = tmp_path / "registry" / "docker.io" / "docker" / "registry" / "v2"
    for file in (image.folder / "blobs" / "sha256").iterdir():
        data = base / "blobs" / "sha256" / file.name[:2] / file.name / "data"
        data.parent.mkdir(parents=True)
        data.write_bytes(file.read_bytes())
    link = base / "repositories" / "apache" / "spark" / "_manifests" / "tags" / "4.0.4" / "current" / "link"
    link.parent.mkdir(parents=True)
    link.write_text(image.digest)
    return tmp_path / "registry"


def test_a_whole_image_is_published(storage: Path, image: Image) -> None:
    assert published(storage, REFERENCE) == image.digest


def test_short_names_are_the_same_image(storage: Path, image: Image) -> None:
    assert published(storage, "apache/spark:4.0.4") == image.digest


@pytest.mark.parametrize("other", ["docker.io/apache/spark:3.5.5", "ghcr.io/apache/spark:4.0.4"])
def test_another_name_is_not_published(storage: Path, other: str) -> None:
    assert published(storage, other) == ""


@pytest.mark.parametrize("content", [None, b"short"])
def test_an_image_with_a_damaged_layer_is_not_published(storage: Path, image: Image, content: bytes | None) -> None:
    digest = max(image.blobs, key=lambda it: image.blobs[it].stat().st_size).removeprefix("sha256:")
    data = next(storage.rglob(f"{digest}/data"))
    data.unlink()
    if content is not None:
        data.write_bytes(content)
    assert published(storage, REFERENCE) == ""


def test_an_empty_storage_holds_nothing(tmp_path: Path) -> None:
    assert published(tmp_path, REFERENCE) == ""
