# SPDX-License-Identifier: Apache-2.0
"""Images of several shapes, by a real containerd from the image cache: an index with attestations, and zstd layers."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from bare_node import BareNode, bare_node
from fronts import browser
from pushing import INDEX, MANIFEST, digest_of, layer_of, push_image

from harness.image_cache.cache import CachedImage, ImageCache
from harness.image_cache.filling import Filling
from harness.image_cache.view import View, host_part
from harness.images.mirrors import MirrorMap, write_hosts
from harness.images.references import ImageReference
from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.registries.local import BLOBS, serve
from harness.registries.pull import unpackable
from harness.registries.push import Transfer

ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
REPOSITORY = "acme/shapes"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    with bare_node(tmp_path_factory.mktemp("node")) as made:
        yield made


@pytest.fixture
def hub(registry_binary: Path, tmp_path: Path) -> Iterator[Front]:
    """Docker Hub for this machine's client; the node is not led to it."""
    with Front(profile("docker.io"), folder=tmp_path / "hub", binary=registry_binary) as made:
        yield made


def zstd(content: bytes) -> bytes:
    """A frame of one raw block (RFC 8878, 3.1.1), which needs no compressor."""
    block = struct.pack("<I", len(content) << 3 | 1)[:3]
    return b"\x28\xb5\x2f\xfd" + b"\xa0" + struct.pack("<I", len(content)) + block + content


def push(hub: Front, client: httpx.Client, tag: str, *, attested: bool) -> str:
    """Push an image with a zstd layer; returns the digest of its tag."""
    url = f"https://{hub.address}/v2/{REPOSITORY}"

    def blob(content: bytes) -> dict[str, Any]:
        begun = client.post(f"{url}/blobs/uploads/").raise_for_status()
        target = httpx.URL(url).join(begun.headers["location"]).copy_merge_params({"digest": digest_of(content)})
        client.put(target, content=content).raise_for_status()
        return {"digest": digest_of(content), "size": len(content)}

    def manifest(name: str, media_type: str, document: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
        client.put(f"{url}/manifests/{name}", content=text, headers={"Content-Type": media_type}).raise_for_status()
        return {"mediaType": media_type, "digest": digest_of(text), "size": len(text)}

    unpacked = layer_of(f"of {tag}")
    platform = {"os": "linux", "architecture": "amd64"}
    roots = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(unpacked).hexdigest()}"]}
    config = blob(json.dumps({**platform, "config": {}, "rootfs": roots}).encode())
    config["mediaType"] = "application/vnd.oci.image.config.v1+json"
    own = manifest(tag, MANIFEST, {"config": config, "layers": [{"mediaType": ZSTD, **blob(zstd(unpacked))}]})
    if not attested:
        return str(own["digest"])
    statement = {"mediaType": "application/vnd.in-toto+json", **blob(b"{}")}
    about = manifest("attestation", MANIFEST, {"config": config, "layers": [statement]})
    entries = [
        {**own, "platform": platform},
        {**about, "platform": {"os": "unknown", "architecture": "unknown"},
         "annotations": {"vnd.docker.reference.type": "attestation-manifest"}},
    ]  # fmt: skip
    return str(manifest(tag, INDEX, {"manifests": entries})["digest"])


@pytest.mark.parametrize("tag", ["plain", "attested"])
def test_an_engine_that_cannot_unpack_zstd_is_told(hub: Front, tag: str) -> None:
    with browser(hub, "owner") as client:
        push(hub, client, tag, attested=tag == "attested")
        push_image(client, f"https://{hub.address}", REPOSITORY, "usual", layers=(b"a layer",))
    with Transfer(hub.mirror(), "docker.io", attempts=1) as registry:
        image = ImageReference.parse(f"docker.io/{REPOSITORY}:{tag}")
        assert "zstd, which Docker before 23 cannot unpack" in unpackable(registry, image, platform="linux/amd64")
        usual = ImageReference.parse(f"docker.io/{REPOSITORY}:usual")
        assert unpackable(registry, usual, platform="linux/amd64") == ""


def fetched(hub: Front, cache: ImageCache, reference: str) -> CachedImage:
    with Transfer(hub.mirror(), "docker.io", attempts=1) as client:
        filling = Filling(cache, lambda host: client, platform="linux/amd64")
        try:
            assert filling.fetch(filling.ask([reference])) == {}
            found = filling.wait(reference, 30)
        finally:
            filling.close()
    assert found is not None
    return found


@pytest.mark.parametrize("attested", [True, False])
def test_a_node_gets_images_of_each_shape_by_the_registrys_name_and_digest(
    node: BareNode, hub: Front, registry_binary: Path, tmp_path: Path, attested: bool
) -> None:
    tag = "attested" if attested else "plain"
    reference = f"docker.io/{REPOSITORY}:{tag}"
    with browser(hub, "owner") as client:
        digest = push(hub, client, tag, attested=attested)
    cache = ImageCache(tmp_path / "images")
    image = fetched(hub, cache, reference)
    assert image.digest == digest
    view = View(tmp_path / "view")
    (view.folder / BLOBS).rmdir()
    (view.folder / BLOBS).symlink_to(cache.blobs)
    view.show(image)
    with serve(registry_binary, view.folder, tmp_path / "log", readonly=True, address=node.gateway) as server:
        first = {"docker.io": f"{server.url}/v2/{host_part('docker.io')}"}
        write_hosts(MirrorMap(), node.hosts, first=first)
        assert node.pull(reference) == ""
        assert node.pull(f"docker.io/{REPOSITORY}@{digest}") == ""
        # What the cache lacks is asked of the registry that the name names, which this machine may not know.
        beyond = node.pull(f"docker.io/{REPOSITORY}:unforeseen")
        asked = (tmp_path / "log").read_text()
    assert "registry-1.docker.io" in beyond or "docker.io/acme/shapes:unforeseen: not found" in beyond
    assert f"/v2/docker.io/{REPOSITORY}/manifests/unforeseen" in asked
    assert "manifests/attestation" not in asked
