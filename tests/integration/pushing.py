# SPDX-License-Identifier: Apache-2.0
"""Push small images by the distribution API, so that registry tests need no image tool."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import httpx

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_image(
    client: httpx.Client, url: str, repository: str, tag: str, *, architecture: str = "amd64", label: str = ""
) -> tuple[str, dict[str, Any]]:
    """Push an image without layers; returns its manifest's digest and the entry for an index."""
    platform = {"os": "linux", "architecture": architecture}
    config = json.dumps(
        {**platform, "config": {"Labels": {"test": label}}, "rootfs": {"type": "layers", "diff_ids": []}}
    )
    _push_blob(client, url, repository, config.encode())
    descriptor = {"mediaType": _CONFIG, "digest": digest_of(config.encode()), "size": len(config)}
    manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": []}).encode()
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
