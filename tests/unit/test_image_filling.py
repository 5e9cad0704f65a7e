# SPDX-License-Identifier: Apache-2.0
"""What a registry says with and without a login decides whether an image is fetched for all nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import RegistryError
from harness.image_cache.cache import ImageCache
from harness.image_cache.filling import Asked, Filling
from harness.images import media_types
from harness.images.references import ImageReference
from harness.registries.client import Descriptor

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
