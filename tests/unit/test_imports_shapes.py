# SPDX-License-Identifier: Apache-2.0
"""Archives that hold no image, or one that no node makes a container of: told before anything is published."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_imports_archive import REFERENCE, an_image, blob, opened, packed, put

from harness.errors import UsageError
from harness.images import media_types
from harness.images.architecture import architecture
from harness.imports.archive import Unpacked

Change = Callable[[dict[str, Any], Path], dict[str, Any]]


def changed(tmp_path: Path, change: Change) -> Path:
    """A layout whose image has a changed manifest."""
    image = an_image(tmp_path, "first")
    manifest = change(json.loads(blob(image.folder, image.digest).read_text()), image.folder)
    (image.folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": [put(image.folder, manifest)]})
    )
    return packed(image.folder, tmp_path / "image.tar")


def a_chart(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    config = put(folder, {"name": "spark-operator"}) | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}
    return manifest | {"config": config}


def without_platform(manifest: dict[str, Any], folder: Path) -> dict[str, Any]:
    return manifest | {
        "config": put(folder, {"rootfs": {"diff_ids": ["sha256:1"]}}) | {"mediaType": media_types.CONFIG}
    }


def more_layers(manifest: dict[str, Any], _: Path) -> dict[str, Any]:
    return manifest | {"layers": manifest["layers"] * 2}


def layer(**more: Any) -> Change:
    def change(manifest: dict[str, Any], _: Path) -> dict[str, Any]:
        return manifest | {"layers": [manifest["layers"][0] | more]}

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (a_chart, "is no container image: it is a Helm chart"),
        (without_platform, "of its image names no platform"),
        (lambda manifest, _: {"schemaVersion": 1, "fsLayers": []}, "is of Docker's schema 1"),
        (layer(urls=["https://example.com/a"]), "1 foreign layer, stored elsewhere"),
        (layer(mediaType=f"{media_types.LAYER}+gzip+encrypted"), "1 encrypted layer, for which"),
        (more_layers, "its manifest has 2 layers, and its configuration names 1"),
        (layer(size=3), r"has \d+ bytes, and is listed with 3"),
    ],
)
def test_what_nodes_make_no_container_of_is_told(tmp_path: Path, change: Change, said: str) -> None:
    file = changed(tmp_path, change)
    with pytest.raises(UsageError, match=said) as told:
        opened(file, tmp_path)
    assert str(file) in told.value.message
    assert told.value.next_step


def test_an_artifact_beside_an_image_has_no_platform(tmp_path: Path) -> None:
    image = an_image(tmp_path, "first")
    manifest = json.loads(blob(image.folder, image.digest).read_text())
    (own,) = json.loads((image.folder / "index.json").read_text())["manifests"]
    own["platform"] = {"os": "linux", "architecture": architecture()}
    proof = put(image.folder, a_chart(manifest, image.folder))
    index = put(image.folder, {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [own, proof]})
    (image.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))

    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path)

    assert (found.image.digest, found.platforms) == (index["digest"], (f"linux/{architecture()}",))


def without_layers(tmp_path: Path, rootfs: dict[str, Any]) -> Unpacked:
    folder = tmp_path / "docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"os": "linux", "architecture": architecture(), "rootfs": rootfs}))
    entry = {"Config": "config.json", "RepoTags": [REFERENCE.familiar], "Layers": None}
    (folder / "manifest.json").write_text(json.dumps([entry]))
    return opened(packed(folder, tmp_path / "image.tar"), tmp_path)


@pytest.mark.parametrize("rootfs", [{"type": "layers"}, {"type": "layers", "diff_ids": None}])
def test_docker_saves_an_image_without_layers(tmp_path: Path, rootfs: dict[str, Any]) -> None:
    assert without_layers(tmp_path, rootfs).platforms == (f"linux/{architecture()}",)


@pytest.mark.parametrize(
    ("begins", "said"),
    [
        (b"\x28\xb5\x2f\xfd", r"packed with zstd.*zstd -d"),
        (b"PK\x03\x04", "a zip file"),
        (b"\x04\x22M\x18", "LZ4"),
        (b"\n<!DOCTYPE html>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    ],
)
def test_how_an_archive_is_packed_is_told(tmp_path: Path, begins: bytes, said: str) -> None:
    (tmp_path / "image.tar").write_bytes(begins + b"content" * 200)
    with pytest.raises(UsageError, match=said):
        opened(tmp_path / "image.tar", tmp_path)


@pytest.mark.parametrize(
    ("files", "said", "step"),
    [
        (["etc/passwd", "usr/bin/sh"], "is a file system, as `docker export` writes it", "docker save"),
        (["spark-operator/Chart.yaml"], "is a Helm chart, and no image", "harness charts import"),
    ],
)
def test_what_another_archive_is_of_is_told(tmp_path: Path, files: list[str], said: str, step: str) -> None:
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        for name in files:
            archive.addfile(tarfile.TarInfo(name))
    with pytest.raises(UsageError, match=said) as told:
        opened(tmp_path / "image.tar", tmp_path)
    assert step in told.value.next_step
