# SPDX-License-Identifier: Apache-2.0
"""Shapes of images that no node makes a container of, told from their manifests."""

from __future__ import annotations

import json

import pytest

from harness.errors import UnavailableError
from harness.image_cache.filling import require_usable
from harness.registries.push import as_manifest

CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{'1' * 64}", "size": 2}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": f"sha256:{'2' * 64}", "size": 4}


def test_zstd_layers_are_no_trouble_to_nodes() -> None:
    require_usable(as_manifest(json.dumps({"config": CONFIG, "layers": [LAYER]}).encode()), "an image")


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        (
            {"config": CONFIG, "layers": [LAYER | {"urls": ["https://example.com/a"]}]},
            "1 foreign layer, stored elsewhere",
        ),
        (
            {"mediaType": "application/vnd.docker.distribution.manifest.v1+json", "fsLayers": []},
            "an image is of the type application/vnd.docker.distribution.manifest.v1+json",
        ),
    ],
)
def test_what_nodes_cannot_run_is_told(manifest: dict[str, object], said: str) -> None:
    with pytest.raises(UnavailableError, match=said.replace("+", r"\+")):
        require_usable(as_manifest(json.dumps(manifest).encode()), "an image")
