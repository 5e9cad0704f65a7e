# SPDX-License-Identifier: Apache-2.0
"""Image archives as people have them: whole, of several platforms, damaged, of another machine."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.foundry.assemble import Image, ImageConfig, write_image
from harness.foundry.layers import write_layer
from harness.images.architecture import architecture
from harness.images.references import ImageReference
from harness.imports.archive import Unpacked, unpack

REFERENCE = ImageReference.parse("docker.io/kubeflow/spark-operator:2.1.1")
INDEX = "application/vnd.oci.image.index.v1+json"


def an_image(tmp_path: Path, name: str) -> Image:
    (tmp_path / name).mkdir()
    layer = write_layer(tmp_path / name, "layer", lambda writer: writer.text("file", name))
    return write_image(tmp_path / name / "image", [("layer", layer)], ImageConfig(labels={"content": name}))


def packed(folder: Path, file: Path, inside: str = ".") -> Path:
    with tarfile.open(file, "w") as archive:
        archive.add(folder, inside)
    return file


def opened(file: Path, tmp_path: Path, reference: ImageReference = REFERENCE, machine: str = "") -> Unpacked:
    folder = tmp_path / "opened"
    folder.mkdir()
    return unpack(file, folder, reference, machine or architecture())


def put(folder: Path, document: Any) -> dict[str, Any]:
    data = json.dumps(document).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / "blobs" / "sha256" / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data), "mediaType": document.get("mediaType", "")}


def blob(folder: Path, digest: str) -> Path:
    return folder / "blobs" / "sha256" / digest.removeprefix("sha256:")


def several_platforms(tmp_path: Path, *, whole: bool) -> tuple[Image, str]:
    """A layout whose index has this machine's platform, another one, and an attestation."""
    image = an_image(tmp_path, "first")
    size = blob(image.folder, image.digest).stat().st_size
    own = {"digest": image.digest, "size": size, "mediaType": "application/vnd.oci.image.manifest.v1+json"}
    manifest = json.loads(blob(image.folder, image.digest).read_text())
    other = put(image.folder, {**manifest, "annotations": {"for": "another"}})
    proof = put(image.folder, {**manifest, "annotations": {"a": "proof"}})
    children = [
        {**own, "platform": {"os": "linux", "architecture": architecture()}},
        {**other, "platform": {"os": "linux", "architecture": "s390x"}},
        {**proof, "platform": {"os": "unknown", "architecture": "unknown"}},
    ]
    index = put(image.folder, {"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    if not whole:
        blob(image.folder, other["digest"]).unlink()
    (image.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [index]}))
    return image, index["digest"]


@pytest.mark.parametrize("inside", [".", "a-folder"])
def test_an_oci_layout_keeps_its_digest(tmp_path: Path, inside: str) -> None:
    image = an_image(tmp_path, "first")
    found = opened(packed(image.folder, tmp_path / "image.tar", inside), tmp_path)
    assert found.image.digest == image.digest
    assert set(found.image.blobs) == set(image.blobs)
    assert found.platforms == (f"linux/{architecture()}",)


def test_an_index_of_several_platforms_is_taken_whole(tmp_path: Path) -> None:
    image, digest = several_platforms(tmp_path, whole=True)
    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path)
    assert found.image.digest == digest
    assert found.platforms == (f"linux/{architecture()}", "linux/s390x")


def test_of_an_index_with_holes_the_own_platform_is_taken(tmp_path: Path) -> None:
    image, _ = several_platforms(tmp_path, whole=False)
    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path)
    assert found.image.digest == image.digest
    assert found.left_out == ("linux/s390x",)


def test_a_platform_of_an_index_can_be_named_by_its_digest(tmp_path: Path) -> None:
    image, _ = several_platforms(tmp_path, whole=True)
    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path, REFERENCE.pinned(image.digest))
    assert found.image.digest == image.digest


def docker_archive(tmp_path: Path, *, tags: list[str] | None, damage: bool = False, copies: int = 1) -> Path:
    image = an_image(tmp_path, "first")
    manifest = json.loads(blob(image.folder, image.digest).read_text())
    folder = tmp_path / "docker"
    (folder / "abc").mkdir(parents=True)
    content = gzip.decompress(blob(image.folder, manifest["layers"][0]["digest"]).read_bytes())
    (folder / "abc" / "layer.tar").write_bytes(content + (b"x" if damage else b""))
    (folder / "config.json").write_bytes(blob(image.folder, manifest["config"]["digest"]).read_bytes())
    entry = {"Config": "config.json", "RepoTags": tags, "Layers": ["abc/layer.tar"]}
    (folder / "manifest.json").write_text(json.dumps([entry] * copies))
    return packed(folder, tmp_path / "docker.tar")


def test_a_docker_archive_becomes_an_oci_image_with_its_layers_as_they_are(tmp_path: Path) -> None:
    found = opened(docker_archive(tmp_path, tags=["built/here:latest"]), tmp_path)
    manifest = json.loads(blob(found.image.folder, found.image.digest).read_text())
    assert [layer["mediaType"] for layer in manifest["layers"]] == ["application/vnd.oci.image.layer.v1.tar"]
    config = json.loads(blob(found.image.folder, manifest["config"]["digest"]).read_text())
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert config["config"]["Labels"] == {"content": "first"}


def test_of_two_images_of_one_release_the_one_of_that_name_is_taken(tmp_path: Path) -> None:
    image, other = an_image(tmp_path, "first"), an_image(tmp_path, "second")
    manifests = []
    for made, name in ((image, REFERENCE.name), (other, f"{REFERENCE.name}-kubectl")):
        (descriptor,) = json.loads((made.folder / "index.json").read_text())["manifests"]
        names = {"io.containerd.image.name": f"{name}:2.1.1", "org.opencontainers.image.ref.name": "2.1.1"}
        manifests.append({**descriptor, "annotations": names})
    (image.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": manifests}))
    shutil.copytree(other.folder / "blobs", image.folder / "blobs", dirs_exist_ok=True)

    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path)
    assert found.image.digest == image.digest


def _no_tar(tmp_path: Path) -> Path:
    (tmp_path / "image.tar").write_text("no tar")
    return tmp_path / "image.tar"


def _something_else(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "README").write_text("")
    return packed(tmp_path / "other", tmp_path / "image.tar")


def _a_folder(tmp_path: Path) -> Path:
    (tmp_path / "image").mkdir()
    return tmp_path / "image"


def _a_pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "image.tar")
    return tmp_path / "image.tar"


def _numbers_for_names(tmp_path: Path) -> Path:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "manifest.json").write_text('[{"Config": 5, "RepoTags": null, "Layers": {}}]')
    return packed(tmp_path / "docker", tmp_path / "image.tar")


def _damaged(tmp_path: Path) -> Path:
    image = an_image(tmp_path, "first")
    layer = json.loads(blob(image.folder, image.digest).read_text())["layers"][0]["digest"]
    other = blob(image.folder, layer)
    other.unlink()
    other.write_bytes(b"damaged")
    return packed(image.folder, tmp_path / "image.tar")


def _two_without_names(tmp_path: Path) -> Path:
    image, other = an_image(tmp_path, "first"), an_image(tmp_path, "second")
    index = json.loads((image.folder / "index.json").read_text())
    index["manifests"] += json.loads((other.folder / "index.json").read_text())["manifests"]
    (image.folder / "index.json").write_text(json.dumps(index))
    return packed(image.folder, tmp_path / "image.tar")


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda tmp_path: tmp_path / "none.tar", "does not exist"),
        (_a_folder, "image is a folder"),
        (_a_pipe, "image.tar is no regular file"),
        (_numbers_for_names, "is a corrupt `docker save` archive: manifest.json is not as Docker writes it"),
        (_no_tar, "cannot be read as a tar archive"),
        (_something_else, "neither an OCI layout nor a `docker save` archive"),
        (_damaged, "sha256:[0-9a-f]+ has digest sha256:"),
        (_two_without_names, r"contains 2 images, 0 of them named docker\.io/kubeflow/spark-operator:2\.1\.1"),
        (lambda tmp_path: docker_archive(tmp_path, tags=None, damage=True), "a layer has digest sha256:"),
        (lambda tmp_path: docker_archive(tmp_path, tags=["a:b"], copies=2), "contains 2 images, 0 of them"),
    ],
)
def test_what_cannot_be_imported_is_told(tmp_path: Path, make: Any, why: str) -> None:
    with pytest.raises(UsageError, match=why) as told:
        opened(make(tmp_path), tmp_path)
    assert told.value.next_step


def test_an_image_of_another_machine_is_told_by_both(tmp_path: Path) -> None:
    file = packed(an_image(tmp_path, "first").folder, tmp_path / "image.tar")
    with pytest.raises(
        UsageError, match=f"has an image for linux/{architecture()}, but nodes on this machine are linux/s390x"
    ):
        opened(file, tmp_path, machine="s390x")


def test_another_digest_is_told_by_both(tmp_path: Path) -> None:
    image = an_image(tmp_path, "first")
    file = packed(image.folder, tmp_path / "image.tar")
    with pytest.raises(UsageError, match=f"does not contain sha256:0+, but {image.digest}"):
        opened(file, tmp_path, REFERENCE.pinned("sha256:" + "0" * 64))


@pytest.mark.parametrize("whole", [True, False])
def test_an_index_in_an_index_is_looked_into(tmp_path: Path, whole: bool) -> None:
    image, inner = several_platforms(tmp_path, whole=whole)
    entry = {"digest": inner, "size": blob(image.folder, inner).stat().st_size, "mediaType": INDEX}
    outer = put(image.folder, {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    (image.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [outer]}))

    found = opened(packed(image.folder, tmp_path / "image.tar"), tmp_path)

    assert found.image.digest == (outer["digest"] if whole else image.digest)
    assert found.platforms[0] == f"linux/{architecture()}"
    assert found.left_out == (() if whole else ("linux/s390x",))


def test_an_index_that_would_list_itself_is_corrupt(tmp_path: Path) -> None:
    image = an_image(tmp_path, "first")
    itself: dict[str, Any] = {"digest": "sha256:" + "a" * 64, "size": 9, "mediaType": INDEX}
    blob(image.folder, itself["digest"]).write_text(json.dumps({"manifests": [itself]}))
    (image.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [itself]}))

    with pytest.raises(UsageError, match="the archive is corrupt"):
        opened(packed(image.folder, tmp_path / "image.tar"), tmp_path, REFERENCE.pinned(image.digest))
