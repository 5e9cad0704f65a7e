# SPDX-License-Identifier: Apache-2.0
"""Publishes foundry images into the storages of the harness's registries, under their real names.

A storage is what a distribution server keeps on a file system: `<registry host>/docker/registry/v2/…`.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from filelock import FileLock

from harness import process
from harness.errors import RegistryError
from harness.foundry.assemble import Image, blob_file, share
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries import local
from harness.registries.push import Transfer, as_manifest

_SWEEP_SECONDS = 600.0


class Publisher:
    """Pushes images into the storages below `root`, one folder per registry host; `registry` is the server's
    program."""

    def __init__(self, root: Path, *, registry: Path, logs: Path) -> None:
        self.root = root
        self._registry = registry
        self._log_file = logs / "publish.log"

    def publish(self, image: Image, reference: str) -> str:
        """Push an image under its real name and return its digest.

        Existing images are skipped. A real server verifies the manifest and then reports the digest.
        Raises RegistryError when it refuses something or reports another digest.
        """
        name = ImageReference.parse(reference)
        storage = self.root / name.registry
        storage.mkdir(parents=True, exist_ok=True)
        with FileLock(str(storage) + ".lock"):
            if published(self.root, reference) == image.digest:
                return image.digest
            _seed(storage, name.repository, image)
            with (
                local.serve(self._registry, storage, self._log_file) as server,
                Transfer(Mirror(url=server.url), name.registry, push=True) as client,
            ):
                _push(client, name.repository, image, image.digest, name.tag)
                digest = client.digest_at(name.repository, name.tag)
        if digest != image.digest:
            raise RegistryError(
                f"{reference} was pushed with digest {image.digest}, but the registry reports {digest}",
                f"remove {storage} and publish again",
            )
        return digest

    def withdraw(self, reference: str) -> None:
        """Delete a tag; its content goes with the next garbage collection. No server may use the storage meanwhile."""
        name = ImageReference.parse(reference)
        storage = self.root / name.registry
        tag = _base(storage) / "repositories" / name.repository / "_manifests" / "tags" / name.tag
        with FileLock(str(storage) + ".lock"):
            shutil.rmtree(tag, ignore_errors=True)

    def sweep(self, keep: Collection[str]) -> None:
        """Delete every tag that is not one of these references, and every manifest and blob without a tag.

        This runs the server's own garbage collector; no server may use the storages meanwhile. Raises CommandError.
        """
        wanted = {(name.registry, name.repository, name.tag) for name in map(ImageReference.parse, keep)}
        for host in local.stored_hosts(self.root):
            storage = self.root / host
            with FileLock(str(storage) + ".lock"):
                repositories = _base(storage) / "repositories"
                for tag in repositories.glob("**/_manifests/tags/*"):
                    repository = tag.parents[2].relative_to(repositories).as_posix()
                    if (host, repository, tag.name) not in wanted:
                        shutil.rmtree(tag)
                with tempfile.TemporaryDirectory(prefix="soh-registry-") as scratch:
                    config = local.write_config(Path(scratch) / "config.yml", storage=storage, address="127.0.0.1:0")
                    process.call(
                        [self._registry, "garbage-collect", "--delete-untagged", config],
                        env=local.ENVIRONMENT,
                        without=local.NOT_ITS,
                        timeout=_SWEEP_SECONDS,
                        log_file=self._log_file,
                    )


def published(root: Path, reference: str) -> str:
    """The digest that a storage has for a reference with all of its blobs intact, or an empty string.

    Reads the layout documented in distribution's registry/storage/paths.go, so that no server is needed.
    """
    name = ImageReference.parse(reference)
    base = _base(root / name.registry)
    manifests = base / "repositories" / name.repository / "_manifests"
    try:
        digest = (manifests / "tags" / name.tag / "current" / "link").read_text().strip()
        whole = _whole(base, digest)
    except (OSError, ValueError, KeyError):
        return ""
    return digest if whole else ""


def _whole(base: Path, digest: str) -> bool:
    """Whether everything that a manifest lists exists with its size. Raises OSError, ValueError or KeyError if not."""
    manifest = json.loads(_data(base, digest).read_text())
    children = manifest.get("manifests", [])
    parts = children or [manifest["config"], *manifest["layers"]]
    return all(_data(base, part["digest"]).stat().st_size == part["size"] for part in parts) and all(
        _whole(base, child["digest"]) for child in children
    )


def _push(client: Transfer, repository: str, image: Image, digest: str, identifier: str) -> None:
    """Push a manifest or index of the image, after everything that it lists."""
    manifest = as_manifest(blob_file(image.folder, digest).read_bytes())
    for child in manifest.children:
        _push(client, repository, image, child, child)
    for blob in manifest.blobs:
        if not client.has_blob(repository, blob["digest"]):
            client.upload(repository, blob["digest"], blob_file(image.folder, blob["digest"]))
    client.put(repository, identifier, manifest)


def _seed(storage: Path, repository: str, image: Image) -> None:
    """Hard-link the image's blobs into the storage, so that they are neither sent nor stored twice.

    The push asks for each blob and sends only what the server does not know: a server with another layout would just
    get everything.
    """
    base = _base(storage)
    for digest, file in image.blobs.items():
        data = _data(base, digest)
        data.parent.mkdir(parents=True, exist_ok=True)
        share(file, data)
        link = base / "repositories" / repository / "_layers" / digest.replace(":", "/") / "link"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_text(digest)


def _base(storage: Path) -> Path:
    return storage / "docker" / "registry" / "v2"


def _data(base: Path, digest: str) -> Path:
    algorithm, _, digits = digest.partition(":")
    return base / "blobs" / algorithm / digits[:2] / digits / "data"
