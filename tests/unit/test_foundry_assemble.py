# SPDX-License-Identifier: Apache-2.0
"""OCI layouts: what the documents say, and what happens to a layout that was damaged."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import BuildError
from harness.foundry.assemble import LABEL_BUILT_FROM, Image, ImageConfig, labels, read_image, share, write_image
from harness.foundry.layers import Layer, write_layer

CONFIG = ImageConfig(
    entrypoint=["/opt/entrypoint.sh"],
    environment={"SPARK_HOME": "/opt/spark"},
    user="spark",
    working_dir="/opt/spark/work-dir",
    labels={"b": "2", "a": "1"},
)


def a_layer(folder: Path, name: str) -> Layer:
    folder.mkdir(exist_ok=True)
    return write_layer(folder, name, lambda layer: layer.text(f"{name}.txt", name))


def an_image(tmp_path: Path, name: str = "image") -> Image:
    layers = [("lower", a_layer(tmp_path / "layers", "lower")), ("upper", a_layer(tmp_path / "layers", "upper"))]
    return write_image(tmp_path / name, layers, CONFIG)


def blob(image: Image, digest: str) -> Any:
    return json.loads((image.folder / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_text())


def test_the_digest_is_that_of_the_manifest(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    data = (image.folder / "blobs" / "sha256" / image.digest.removeprefix("sha256:")).read_bytes()
    assert image.digest == f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_layers_are_listed_lowest_first_with_their_tarballs(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    manifest = blob(image, image.digest)
    config = blob(image, manifest["config"]["digest"])
    lower, upper = a_layer(tmp_path / "again", "lower"), a_layer(tmp_path / "again", "upper")
    assert [layer["digest"] for layer in manifest["layers"]] == [lower.digest, upper.digest]
    assert config["rootfs"]["diff_ids"] == [lower.diff_id, upper.diff_id]
    assert [entry["created_by"] for entry in config["history"]] == ["lower", "upper"]


def test_the_configuration_says_what_a_container_starts_with(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    config = blob(image, blob(image, image.digest)["config"]["digest"])["config"]
    assert config == {
        "Entrypoint": ["/opt/entrypoint.sh"],
        "Env": ["SPARK_HOME=/opt/spark"],
        "User": "spark",
        "WorkingDir": "/opt/spark/work-dir",
        "Labels": {"a": "1", "b": "2"},
    }


def test_the_same_parts_make_the_same_image(tmp_path: Path) -> None:
    assert an_image(tmp_path, "one").digest == an_image(tmp_path, "two").digest


def test_size_is_what_a_node_pulls(tmp_path: Path) -> None:
    image = an_image(tmp_path)
    assert image.size == sum(path.stat().st_size for path in (image.folder / "blobs" / "sha256").iterdir())


def test_images_share_the_disk_with_their_layers(tmp_path: Path) -> None:
    layer = a_layer(tmp_path / "layers", "lower")
    image = write_image(tmp_path / "image", [("lower", layer)], CONFIG)
    assert image.blobs[layer.digest].samefile(layer.file)


def test_a_file_is_copied_where_it_cannot_be_linked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    # A second file system is not to be had in a test.
    monkeypatch.setattr("os.link", refuse)
    (tmp_path / "source").write_text("content")
    share(tmp_path / "source", tmp_path / "target")
    assert (tmp_path / "target").read_text() == "content"


@pytest.mark.parametrize("damage", ["cut", "removed"])
def test_a_damaged_image_is_an_error_that_names_its_folder(tmp_path: Path, damage: str) -> None:
    image = an_image(tmp_path)
    victim = image.blobs[blob(image, image.digest)["layers"][0]["digest"]]
    if damage == "removed":
        victim.unlink()
    else:
        victim.unlink()
        victim.write_bytes(b"short")
    with pytest.raises(BuildError, match=str(image.folder)):
        read_image(image.folder)


def test_labels_leave_out_what_is_not_known() -> None:
    found = labels(title="t", version="1", source="s", licences="Apache-2.0", built_from="pyspark 4.0.4 (PyPI)")
    assert found[LABEL_BUILT_FROM] == "pyspark 4.0.4 (PyPI)"
    assert found["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert "org.opencontainers.image.revision" not in found
