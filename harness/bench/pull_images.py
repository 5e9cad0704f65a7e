# SPDX-License-Identifier: Apache-2.0
"""The images of the pull benchmark: real ones, the same with one layer changed, and probes with layers of their own."""

from __future__ import annotations

import hashlib
import json
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import RegistryError
from harness.foundry.assemble import ImageConfig, write_image
from harness.foundry.layers import Layer, write_layer
from harness.registries.push import RawManifest, Transfer, as_manifest

CHANGED = "one-layer-changed"
"""The tag of an image whose last layer is another one."""

MIB = 1 << 20
PROBE_LAYERS = 4
PROBE_LAYER_BYTES = MIB
CHANGED_BYTES = 16 * MIB
"""The new layer of a changed real image: about the size of the operator's own layer above Spark."""


@dataclass(frozen=True, kw_only=True)
class Pulled:
    """An image as it is in a registry. `blobs` and `chains` are the digests by which a node's content store and its
    snapshots know its parts; `size` is what a node that has nothing fetches, in bytes.
    """

    repository: str
    tag: str
    digest: str
    blobs: frozenset[str]
    chains: frozenset[str]
    size: int

    def on(self, host: str) -> str:
        """Its reference on a registry host."""
        return f"{host}/{self.repository}:{self.tag}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is pulled together, by `name` in tables; `changed` is the first image with one layer changed."""

    name: str
    images: tuple[Pulled, ...]
    changed: Pulled | None = None
    stands_for: str = ""

    @property
    def all(self) -> tuple[Pulled, ...]:
        """All its images."""
        return (*self.images, *([self.changed] if self.changed else []))


def look(client: Transfer, repository: str, tag: str) -> Pulled:
    """Read what an image consists of. Raises RegistryError."""
    manifest = _manifest(client, repository, tag)
    config = _config(client, repository, manifest)
    blobs = {str(it["digest"]): int(it["size"]) for it in manifest.blobs}
    return Pulled(
        repository=repository,
        tag=tag,
        digest=manifest.digest,
        blobs=frozenset({manifest.digest, *blobs}),
        chains=frozenset(chain_ids(config["rootfs"]["diff_ids"])),
        size=sum(blobs.values()) + len(manifest.raw),
    )


def chain_ids(diff_ids: Sequence[str]) -> list[str]:
    """The names of the snapshots of these layers, lowest first (image-spec, config.md, Layer ChainID)."""
    chains: list[str] = []
    for diff_id in diff_ids:
        if not chains:
            chains.append(diff_id)
            continue
        chains.append(f"sha256:{hashlib.sha256(f'{chains[-1]} {diff_id}'.encode()).hexdigest()}")
    return chains


def push_probe(client: Transfer, repository: str, seed: str, *, layer_bytes: int = PROBE_LAYER_BYTES) -> Pulled:
    """Push an image that holds nothing but bytes that do not compress, the same for the same seed."""
    with tempfile.TemporaryDirectory(prefix="soh-probe-") as scratch:
        folder = Path(scratch)
        layers = [_layer(folder, f"{seed}-{number}", layer_bytes) for number in range(PROBE_LAYERS)]
        image = write_image(folder / "image", [("a probe's bytes", it) for it in layers], ImageConfig())
        file = image.folder / "blobs" / "sha256" / image.digest.removeprefix("sha256:")
        manifest = as_manifest(file.read_bytes())
        for blob in manifest.blobs:
            client.upload(repository, str(blob["digest"]), image.blobs[str(blob["digest"])])
        client.put(repository, "1", manifest)
    return look(client, repository, "1")


def push_changed(client: Transfer, image: Pulled, *, layer_bytes: int = CHANGED_BYTES) -> Pulled:
    """Push the image again with another last layer, under the tag CHANGED of its repository."""
    manifest = _manifest(client, image.repository, image.tag)
    config = json.loads(json.dumps(_config(client, image.repository, manifest)))
    with tempfile.TemporaryDirectory(prefix="soh-changed-") as scratch:
        folder = Path(scratch)
        layer = _layer(folder, f"{image.digest}-changed", layer_bytes)
        client.upload(image.repository, layer.digest, layer.file)
        config["rootfs"]["diff_ids"][-1] = layer.diff_id
        file = folder / "config.json"
        file.write_text(json.dumps(config))
        digest = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
        client.upload(image.repository, digest, file)
        content: dict[str, Any] = json.loads(manifest.raw)
        content["config"] |= {"digest": digest, "size": file.stat().st_size}
        content["layers"][-1] |= {"digest": layer.digest, "size": layer.size}
        client.put(image.repository, CHANGED, as_manifest(json.dumps(content).encode()))
    return look(client, image.repository, CHANGED)


def _layer(folder: Path, seed: str, size: int) -> Layer:
    content = random.Random(seed).randbytes(size)  # noqa: S311 - the same bytes again, not a secret
    name = hashlib.sha256(seed.encode()).hexdigest()[:12]
    return write_layer(folder, name, lambda writer: writer.text(f"probe/{name}", content))


def _manifest(client: Transfer, repository: str, tag: str) -> RawManifest:
    found = client.raw(repository, tag)
    if found is None:
        raise RegistryError(f"{client.server} has no {repository}:{tag}", "see the log of the registry", status=404)
    if found.is_index:
        raise RegistryError(
            f"{repository}:{tag} is an index of several platforms", "copy one platform by its digest", status=200
        )
    return found


def _config(client: Transfer, repository: str, manifest: RawManifest) -> dict[str, Any]:
    digest = str(manifest.content["config"]["digest"])
    response = client.ask("GET", repository, f"blobs/{digest}")
    if response.status_code != 200:
        raise RegistryError(f"{client.server} has no configuration {digest} of {repository}", "push the image again")
    document: dict[str, Any] = json.loads(response.content)
    return document
