# SPDX-License-Identifier: Apache-2.0
"""Builds images from layers: an OCI image layout, written and pushed without a builder or container engine.

The documents follow the OCI image specification 1.1 (config.md, manifest.md, image-layout.md).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import BuildError
from harness.foundry.layers import Layer
from harness.images import media_types
from harness.images.architecture import architecture

LABEL_BUILT_FROM = "spark-operator-harness.built-from"
"""Image label: the module or package, with version, that the content comes from."""

_EPOCH = "1970-01-01T00:00:00Z"


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    """The runtime configuration of an image, and its labels."""

    entrypoint: Sequence[str] = ()
    command: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The `config` part of an OCI image configuration."""
        parts = {
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Env": [f"{name}={value}" for name, value in self.environment.items()],
            "User": self.user,
            "WorkingDir": self.working_dir,
            "Labels": dict(sorted(self.labels.items())),
        }
        return {name: value for name, value in parts.items() if value}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image in an OCI layout. `size` is what a node pulls, in bytes; `blobs` maps digests to files."""

    folder: Path
    digest: str
    size: int
    blobs: Mapping[str, Path]


def labels(
    *, title: str, version: str, source: str, licences: str, built_from: str, revision: str = "", base: str = ""
) -> dict[str, str]:
    """The OCI labels of a foundry image (annotations.md of the image specification), empty ones left out."""
    known = {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.source": source,
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.licenses": licences,
        "org.opencontainers.image.base.name": base,
        LABEL_BUILT_FROM: built_from,
    }
    return {name: value for name, value in known.items() if value}


def foreign(goarch: str) -> dict[str, str]:
    """What recipes have for another architecture than this machine's, which needs no word (empty)."""
    return {"architecture": goarch} if goarch not in ("", architecture()) else {}


def write_image(folder: Path, layers: Sequence[tuple[str, Layer]], config: ImageConfig, goarch: str = "") -> Image:
    """Write an image of these layers, lowest first, each with a description of its content, for this or another
    architecture.

    Layers are hard links where the file system allows it, so that images which share layers share the disk, too.
    """
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for _, layer in layers:
        share(layer.file, blobs / layer.digest.removeprefix("sha256:"))
    document = {
        "architecture": goarch or architecture(),
        "os": "linux",
        "created": _EPOCH,
        "config": config.document(),
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for _, layer in layers]},
        "history": [{"created": _EPOCH, "created_by": what} for what, _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _put(blobs, document, media_types.CONFIG),
        "layers": [layer.descriptor for _, layer in layers],
    }
    index = {
        "schemaVersion": 2,
        "mediaType": media_types.INDEX,
        "manifests": [_put(blobs, manifest, media_types.MANIFEST)],
    }
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text(json.dumps(media_types.LAYOUT))
    return read_image(folder)


def read_image(folder: Path) -> Image:
    """The image in an OCI layout. Raises BuildError when a part of it is missing or has another size."""
    try:
        digest = json.loads((folder / "index.json").read_text())["manifests"][0]["digest"]
        manifest_file = blob_file(folder, digest)
        manifest = json.loads(manifest_file.read_text())
        parts = [manifest["config"], *manifest["layers"]]
        wrong = [part["digest"] for part in parts if blob_file(folder, part["digest"]).stat().st_size != part["size"]]
    except (OSError, ValueError, KeyError, IndexError) as broken:
        raise BuildError(
            f"the image in {folder} is incomplete: {broken}", f"remove {folder} and build it again"
        ) from broken
    if wrong:
        raise BuildError(
            f"the image in {folder} has corrupt blobs: {', '.join(wrong)}", f"remove {folder} and build it again"
        )
    return Image(
        folder=folder,
        digest=digest,
        size=manifest_file.stat().st_size + sum(part["size"] for part in parts),
        blobs={part["digest"]: blob_file(folder, part["digest"]) for part in parts},
    )


def write_index(folder: Path, images: Mapping[str, Image], reference: str) -> Path:
    """Write an OCI layout of an index of images by architecture, and return it as one archive."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    entries = []
    for goarch, image in images.items():
        manifest = blob_file(image.folder, image.digest)
        for file in (manifest, *image.blobs.values()):
            share(file, blobs / file.name)
        described = {"mediaType": media_types.MANIFEST, "digest": image.digest, "size": manifest.stat().st_size}
        entries.append({**described, "platform": {"os": "linux", "architecture": goarch}})
    index = _put(blobs, {"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": entries}, media_types.INDEX)
    named = {**index, "annotations": {"org.opencontainers.image.ref.name": reference}}
    (folder / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": [named]})
    )
    (folder / "oci-layout").write_text(json.dumps(media_types.LAYOUT))
    archive = folder / "image.tar"
    with tarfile.open(archive, "w") as packed:
        for part in ("oci-layout", "index.json", "blobs"):
            packed.add(folder / part, part)
    shutil.rmtree(folder / "blobs")
    return archive


def pack(image: Image, reference: str, target: Path) -> None:
    """Put a layout into one archive that `docker load` reads under this name.

    It has the manifest.json by which engines before Docker 25 load it.
    """
    manifest = json.loads(blob_file(image.folder, image.digest).read_text())

    def name(part: dict[str, str]) -> str:
        return f"blobs/{part['digest'].replace(':', '/')}"

    listed = [{"Config": name(manifest["config"]), "RepoTags": [reference], "Layers": [*map(name, manifest["layers"])]}]
    (image.folder / "manifest.json").write_text(json.dumps(listed))
    with tarfile.open(target, "w") as packed:
        for part in ("oci-layout", "index.json", "manifest.json", "blobs"):
            packed.add(image.folder / part, part)


def share(source: Path, target: Path) -> None:
    """Create a second name for a file, by a hard link or, across file systems, by a copy."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def blob_file(folder: Path, digest: str) -> Path:
    """The path of a blob in a layout (image-layout.md)."""
    algorithm, _, digits = digest.partition(":")
    return folder / "blobs" / algorithm / digits


def _put(blobs: Path, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    data = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}
