# SPDX-License-Identifier: Apache-2.0
"""Which manifest a node takes of what a registry has under a name, and what is said where that is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from registry_fakes import Answer, FakeServer, Request, answering

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.references import ImageReference
from harness.registries.client import RegistryClient


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@contextmanager
def single(config: dict[str, Any]) -> Iterator[FakeServer]:
    """A registry with an image that is in no index, and has this configuration."""
    inner = json.dumps(config).encode()
    about = {"mediaType": media_types.CONFIG, "digest": _digest(inner), "size": len(inner)}
    manifest = json.dumps({"schemaVersion": 2, "config": about, "layers": []}).encode()

    def answer(request: Request) -> Answer:
        if "/blobs/" in request.path:
            return Answer(200, inner)
        return Answer(200, manifest, {"Content-Type": media_types.MANIFEST})

    with answering(answer) as server:
        yield server


def _client(server: FakeServer) -> tuple[RegistryClient, ImageReference]:
    return RegistryClient(None, server.address, attempts=1), ImageReference.parse(f"{server.address}/a/b:1")


@pytest.mark.parametrize(
    ("config", "there"),
    [
        ({"os": "windows", "architecture": "amd64"}, "windows/amd64"),
        ({"os": "linux", "architecture": "arm64", "variant": "v8"}, "linux/arm64/v8"),
        ({}, "no platform"),
    ],
)
def test_a_single_manifest_for_another_platform_is_told(config: dict[str, Any], there: str) -> None:
    with single(config) as server:
        client, image = _client(server)
        with client:
            with pytest.raises(RegistryError, match=f"has a/b:1 for {there}, not for linux/amd64"):
                client.on_node(image, platform="linux/amd64")
            assert client.config(image, platform="linux/amd64") == config


@pytest.mark.parametrize("asked", ["linux/arm64", "linux/arm64/v8"])
def test_a_single_manifest_is_for_its_platform_with_the_variant_and_without(asked: str) -> None:
    with single({"os": "Linux", "architecture": "aarch64", "variant": "v8"}) as server:
        client, image = _client(server)
        with client:
            assert len(client.on_node(image, platform=asked)[0]) == 2
