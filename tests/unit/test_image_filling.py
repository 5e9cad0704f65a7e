# SPDX-License-Identifier: Apache-2.0
"""What a registry says with and without a login decides whether an image is fetched for all nodes."""

from __future__ import annotations

import errno
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from harness import waiting
from harness.errors import DiskError, RegistryError
from harness.image_cache.cache import ImageCache
from harness.image_cache.filling import Asked, Filling
from harness.images import media_types
from harness.images.references import ImageReference
from harness.registries.client import Descriptor
from harness.registries.push import RawManifest, as_manifest
from harness.waiting import Cancelled

IMAGE = "docker.io/acme/operator:1"
THERE = Descriptor(digest=f"sha256:{'1' * 64}", media_type=media_types.MANIFESTS[0], size=1)


class Registry:
    """A client that has the image, or is refused with a status."""

    def __init__(self, status: int = 200) -> None:
        self.status = status

    def head(self, reference: ImageReference) -> Descriptor:
        if self.status != 200:
            raise RegistryError(f"docker.io answered {self.status}", status=self.status)
        return THERE


def asked(folder: Path, *, anonymous: int) -> Asked:
    with_login: Any = Registry()
    without: Any = Registry(anonymous)
    filling = Filling(
        ImageCache(folder), lambda host: with_login, platform="linux/amd64", anonymous=lambda host: without
    )
    (found,) = filling.ask([IMAGE])
    filling.close()
    return found


@pytest.mark.parametrize("status", [200, 429])
def test_a_limit_of_the_address_is_none_for_who_has_logged_in(tmp_path: Path, status: int) -> None:
    assert asked(tmp_path, anonymous=status).to_fetch


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_needs_a_login_is_left_to_the_nodes(tmp_path: Path, status: int) -> None:
    assert asked(tmp_path, anonymous=status).private


def test_a_registry_that_fails_is_told(tmp_path: Path) -> None:
    error = asked(tmp_path, anonymous=503).error
    assert isinstance(error, RegistryError)
    assert error.status == 503


class Slow(Registry):
    """A client that sends no layer before it is told to end."""

    server = "docker.io"

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()
        part = {"digest": f"sha256:{'2' * 64}", "size": 1}
        config = json.dumps({"os": "linux", "architecture": "amd64"}).encode()
        self._config = config
        described = {"digest": f"sha256:{hashlib.sha256(config).hexdigest()}", "size": len(config)}
        self.manifest = as_manifest(json.dumps({"config": described, "layers": [part]}).encode())

    def head(self, reference: ImageReference) -> Descriptor:
        return Descriptor(digest=self.manifest.digest, media_type=self.manifest.media_type, size=1)

    def raw(self, repository: str, identifier: str) -> RawManifest:
        return self.manifest

    def download(self, repository: str, digest: str, size: int, file: Path) -> None:
        if size > 1:
            file.write_bytes(self._config)
            return
        self.ended.wait(30)
        raise RegistryError("a transfer was aborted")


def test_a_run_that_is_stopped_does_not_wait_for_images(tmp_path: Path) -> None:
    client: Any = Slow()
    filling = Filling(ImageCache(tmp_path), lambda host: client, platform="linux/amd64")
    assert filling.fetch(filling.ask([IMAGE])) == {}
    with pytest.raises(TimeoutError):
        filling.wait(IMAGE, 0.1)
    waiting.cancel_all()
    try:
        with pytest.raises(Cancelled):
            filling.wait(IMAGE, 30)
    finally:
        waiting.reset_cancellation()
        filling.close()


@pytest.mark.parametrize("where", ["write_manifest", "record"])
def test_a_full_disk_is_told_wherever_it_shows(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ImageCache, content: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    client: Any = Slow()
    client.ended.set()
    monkeypatch.setattr(Slow, "download", lambda self, repository, digest, size, file: file.write_bytes(self._config))
    monkeypatch.setattr(ImageCache, where, full)
    filling = Filling(ImageCache(tmp_path), lambda host: client, platform="linux/amd64")
    filling.fetch(filling.ask([IMAGE]))
    with pytest.raises(DiskError, match=f"{IMAGE} cannot be stored in .*: No space left on device"):
        filling.wait(IMAGE, 10)
    filling.close()
