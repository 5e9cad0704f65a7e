# SPDX-License-Identifier: Apache-2.0
"""Images in the storages of real registry servers, as the foundry pushes them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from harness.foundry.assemble import Image, ImageConfig, write_image
from harness.foundry.layers import write_layer
from harness.foundry.publish import Publisher, published
from harness.registries.local import serve

REFERENCE = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture
def publisher(tmp_path: Path, registry_binary: Path) -> Publisher:
    return Publisher(tmp_path / "registry", registry=registry_binary, logs=tmp_path / "logs")


def an_image(tmp_path: Path, content: str) -> Image:
    folder = tmp_path / content
    folder.mkdir()
    layer = write_layer(folder, "layer", lambda writer: writer.text("file", content))
    return write_image(folder / "image", [("layer", layer)], ImageConfig(labels={"content": content}))


def test_a_published_image_is_served_under_its_name(
    tmp_path: Path, publisher: Publisher, registry_binary: Path
) -> None:
    image = an_image(tmp_path, "first")
    assert publisher.publish(image, REFERENCE) == image.digest
    assert published(publisher.root, REFERENCE) == image.digest
    with serve(registry_binary, publisher.root / "ghcr.io", tmp_path / "log", readonly=True) as server:
        base = f"{server.url}/v2/kubeflow/spark-operator/controller"
        answer = httpx.get(f"{base}/manifests/2.5.2", headers={"Accept": MANIFEST}, trust_env=False)
        assert answer.headers["Docker-Content-Digest"] == image.digest
        for digest, file in image.blobs.items():
            assert httpx.get(f"{base}/blobs/{digest}", trust_env=False).content == file.read_bytes()


def test_blobs_are_neither_sent_nor_stored_twice(tmp_path: Path, publisher: Publisher) -> None:
    image = an_image(tmp_path, "first")
    publisher.publish(image, REFERENCE)
    for digest, file in image.blobs.items():
        data = next(publisher.root.rglob(f"{digest.removeprefix('sha256:')}/data"))
        assert data.samefile(file)


def test_publishing_again_starts_no_server(tmp_path: Path, publisher: Publisher) -> None:
    image = an_image(tmp_path, "first")
    publisher.publish(image, REFERENCE)
    log = tmp_path / "logs" / "publish.log"
    before = log.stat().st_size
    assert publisher.publish(image, REFERENCE) == image.digest
    assert log.stat().st_size == before


def test_another_image_takes_the_name(tmp_path: Path, publisher: Publisher) -> None:
    publisher.publish(an_image(tmp_path, "first"), REFERENCE)
    second = an_image(tmp_path, "second")
    assert publisher.publish(second, REFERENCE) == second.digest
    assert published(publisher.root, REFERENCE) == second.digest


def test_a_sweep_forgets_what_no_name_leads_to(
    tmp_path: Path, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of podman, and not of the server whose collector sweeps.
    monkeypatch.setenv("REGISTRY_AUTH_FILE", "/run/user/1000/containers/auth.json")
    first, second = an_image(tmp_path, "first"), an_image(tmp_path, "second")
    gone = "ghcr.io/kubeflow/spark-operator/controller:2.5.1"
    publisher.publish(first, REFERENCE)
    publisher.publish(first, gone)
    publisher.publish(second, REFERENCE)
    publisher.sweep([REFERENCE])
    assert published(publisher.root, REFERENCE) == second.digest
    assert published(publisher.root, gone) == ""
    blobs = {path.parent.name for path in publisher.root.rglob("data")}
    assert blobs == {digest.removeprefix("sha256:") for digest in (*second.blobs, second.digest)}
