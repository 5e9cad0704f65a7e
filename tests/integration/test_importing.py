# SPDX-License-Identifier: Apache-2.0
"""Imported images in the storages of real registry servers, as the foundry puts them there."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import process
from harness.errors import UnavailableError
from harness.foundry.assemble import Image, ImageConfig, write_image
from harness.foundry.imported import Imports
from harness.foundry.layers import write_layer
from harness.foundry.publish import Publisher, published
from harness.images.architecture import architecture
from harness.images.mirrors import Mirror, MirrorMap
from harness.imports import charts, images
from harness.matrix import catalogue
from harness.matrix.imported import why_not_offered
from harness.registries.image_records import Provenance
from harness.registries.local import serve
from harness.registries.sources import Foundry
from harness.settings import Settings

REFERENCE = "docker.io/kubeflow/spark-operator:2.1.1"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def publisher(settings: Settings, registry_binary: Path) -> Publisher:
    root = settings.cache_dir / "registry"
    return Publisher(root, registry=registry_binary, logs=settings.cache_dir / "logs")


def an_image(folder: Path, content: str = "first") -> Image:
    folder.mkdir()
    layer = write_layer(folder, "layer", lambda writer: writer.text("file", content))
    return write_image(folder / "image", [("layer", layer)], ImageConfig(labels={"content": content}))


def packed(folder: Path, file: Path) -> Path:
    with tarfile.open(file, "w") as archive:
        archive.add(folder, ".")
    return file


@contextmanager
def foundry(registry_binary: Path, root: Path, told: Mapping[str, str] | None = None) -> Iterator[Foundry]:
    """The foundry's source, with a real registry that answers for Docker Hub."""
    with serve(registry_binary, root / "docker.io", root / "log", readonly=True) as server:
        mirrors = MirrorMap(mirrors={"docker.io": Mirror(url=server.url)})
        with Foundry(mirrors, provenance=Provenance(imported=told or {})) as source:
            yield source


def of_two_platforms(folder: Path) -> tuple[Image, str]:
    """A layout with an index: this machine's image, and another one."""
    own = an_image(folder)
    blobs = own.folder / "blobs" / "sha256"
    first = blobs / own.digest.removeprefix("sha256:")
    second = folder / "second"
    second.mkdir()
    layer = write_layer(second, "layer", lambda writer: writer.text("file", "other"))
    other = write_image(second / "image", [("layer", layer)], ImageConfig())
    for blob in (other.folder / "blobs" / "sha256").iterdir():
        (blobs / blob.name).write_bytes(blob.read_bytes())
    children = [
        {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": (blobs / digest.removeprefix("sha256:")).stat().st_size,
            "platform": {"os": "linux", "architecture": machine},
        }
        for digest, machine in ((f"sha256:{first.name}", architecture()), (other.digest, "s390x"))
    ]
    media_type = "application/vnd.oci.image.index.v1+json"
    index = json.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": children}).encode()
    name = hashlib.sha256(index).hexdigest()
    (blobs / name).write_bytes(index)
    top = {"mediaType": media_type, "digest": f"sha256:{name}", "size": len(index)}
    (own.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [top]}))
    return own, f"sha256:{name}"


def test_an_imported_image_is_resolved_like_any_other_and_says_how_it_came(
    tmp_path: Path, settings: Settings, publisher: Publisher, registry_binary: Path
) -> None:
    image = an_image(tmp_path / "made")
    file = packed(image.folder, tmp_path / "operator.tar")
    made = images.add(settings, file, REFERENCE, say=lambda line: None, publisher=publisher)
    file.unlink()
    assert made.digest == image.digest
    told = {it.reference: it.obtained for it in Imports.of(settings).read().images}
    with foundry(registry_binary, publisher.root, told) as source:
        record = source.resolve(REFERENCE)
        assert (record.digest, record.registry) == (image.digest, "docker.io")
        assert record.obtained == f"imported from operator.tar, sha256:{made.sha256}"
        assert image.digest in source.digests(REFERENCE)


def test_an_import_of_several_platforms_outlives_a_sweep(
    tmp_path: Path, settings: Settings, publisher: Publisher, registry_binary: Path
) -> None:
    own, index = of_two_platforms(tmp_path / "made")
    file = packed(own.folder, tmp_path / "operator.tar")
    made = images.add(settings, file, f"{REFERENCE}@{index}", say=lambda line: None, publisher=publisher)
    assert made.digest == index == published(publisher.root, REFERENCE)
    assert made.platforms == (f"linux/{architecture()}", "linux/s390x")
    publisher.sweep([it.reference for it in Imports.of(settings).read().images])
    assert published(publisher.root, REFERENCE) == index
    with foundry(registry_binary, publisher.root) as source:
        assert "not run" not in source.resolve(REFERENCE).obtained
        assert {index, own.digest} <= source.digests(REFERENCE)
        # Once the index has been read, what was used says what of it no node here is.
        assert source.resolve(REFERENCE).obtained.endswith("; not run here: linux/s390x")


def test_a_removed_image_is_not_served_any_more(
    tmp_path: Path, settings: Settings, publisher: Publisher, registry_binary: Path
) -> None:
    file = packed(an_image(tmp_path / "made").folder, tmp_path / "operator.tar")
    images.add(settings, file, REFERENCE, say=lambda line: None, publisher=publisher)
    images.remove(settings, REFERENCE, publisher=publisher)
    assert not Imports.of(settings).read().images
    with (
        foundry(registry_binary, publisher.root) as source,
        pytest.raises(UnavailableError, match="the foundry has no image"),
    ):
        source.resolve(REFERENCE)


def test_a_release_with_image_and_chart_can_be_had(
    tmp_path: Path, settings: Settings, publisher: Publisher, helm_binary: Path
) -> None:
    release = catalogue.load().release("2.1.1")
    file = packed(an_image(tmp_path / "made").folder, tmp_path / "operator.tar")
    images.add(settings, file, REFERENCE, say=lambda line: None, publisher=publisher)
    process.call([helm_binary, "create", tmp_path / "spark-operator"], timeout=60)
    process.call(
        [helm_binary, "package", tmp_path / "spark-operator", "--version", "2.1.1", "--destination", tmp_path],
        timeout=60,
    )
    charts.add(settings, tmp_path / "spark-operator-2.1.1.tgz", [release])
    assert not why_not_offered(release, "foundry", Imports.of(settings).read().imported)
