# SPDX-License-Identifier: Apache-2.0
"""What a run's registry shows of the image cache: what the run has asked the registries for, and nothing else.

The content is shared; which repository has what, and which tag has which digest, is written for each run anew
(registry/storage/paths.go of distribution), so that no run is given a tag which its registry has deleted or moved.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from harness.image_cache.cache import CachedImage
from harness.images.references import ImageReference
from harness.registries.local import BLOBS

_COMPONENT = re.compile(r"[a-z0-9]+(?:[.-]+[a-z0-9]+)*(?:__[0-9]+)?")


class View:
    """The repositories in `folder`: a distribution server's storage, once the cache's blobs are mounted at BLOBS."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._base = folder / "docker" / "registry" / "v2"
        # Docker mounts the content here; it cannot make the folder in a file system that it mounts read-only.
        (folder / BLOBS).mkdir(parents=True, exist_ok=True)
        (self._base / "repositories").mkdir(exist_ok=True)

    def show(self, image: CachedImage) -> None:
        """Serve an image by its tag and by its digests."""
        name = ImageReference.parse(image.reference)
        repository = self._base / "repositories" / host_part(name.registry) / name.repository
        for it in image.blobs:
            _link(repository / "_layers" / it.digest.replace(":", "/"), it.digest)
        for it in image.manifests:
            _link(repository / "_manifests" / "revisions" / it.digest.replace(":", "/"), it.digest)
        if name.tag:
            tag = repository / "_manifests" / "tags" / name.tag
            _link(tag / "index" / image.digest.replace(":", "/"), image.digest)
            _link(tag / "current", image.digest)


def host_part(host: str) -> str:
    """The first part of the repositories of a registry host, since one server has those of all: `localhost__5000`."""
    part = host.replace(":", "__")
    return part if _COMPONENT.fullmatch(part) else f"host-{hashlib.sha256(host.encode()).hexdigest()[:16]}"


def _link(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "link").write_text(digest)
