# SPDX-License-Identifier: Apache-2.0
"""Push small images by the distribution API, so that registry tests need no image tool."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layer_of(text: str) -> bytes:
    """A layer with one file of this text, not compressed."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("text")
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text.encode()))
    return packed.getvalue()


def push_image(
    client: httpx.Client,
    url: str,
    repository: str,
    tag: str,
    *,
    architecture: str = "amd64",
    label: str = "",
    labels: dict[str, str] | None = None,
    layers: tuple[bytes, ...] = (),
    more: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Push an image with these layers; returns its manifest's digest and the entry for an index.

    `more` are further keys of the manifest, such as `subject` and `artifactType`.
    """
    platform = {"os": "linux", "architecture": architecture}
    roots = {"type": "layers", "diff_ids": [digest_of(it) for it in layers]}
    config = json.dumps({**platform, "config": {"Labels": labels or {"test": label}}, "rootfs": roots})
    for blob in (config.encode(), *layers):
        _push_blob(client, url, repository, blob)
    descriptor = {"mediaType": _CONFIG, "digest": digest_of(config.encode()), "size": len(config)}
    listed = [{"mediaType": _LAYER, "digest": digest_of(it), "size": len(it)} for it in layers]
    manifest = json.dumps(
        {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": listed, **(more or {})}
    ).encode()
    digest = _push_manifest(client, url, repository, tag, MANIFEST, manifest)
    return digest, {"mediaType": MANIFEST, "digest": digest, "size": len(manifest), "platform": platform}


def push_index(client: httpx.Client, url: str, repository: str, tag: str, entries: list[dict[str, Any]]) -> str:
    """Push an index of images that are there already; returns its digest."""
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    return _push_manifest(client, url, repository, tag, INDEX, index)


def _push_blob(client: httpx.Client, url: str, repository: str, content: bytes) -> None:
    begun = client.post(f"{url}/v2/{repository}/blobs/uploads/").raise_for_status()
    location = httpx.URL(url).join(begun.headers["location"]).copy_merge_params({"digest": digest_of(content)})
    client.put(location, content=content).raise_for_status()


def _push_manifest(client: httpx.Client, url: str, repository: str, tag: str, media_type: str, content: bytes) -> str:
    pushed = client.put(
        f"{url}/v2/{repository}/manifests/{tag}", content=content, headers={"Content-Type": media_type}
    ).raise_for_status()
    return str(pushed.headers["docker-content-digest"])
