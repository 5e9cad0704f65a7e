# SPDX-License-Identifier: Apache-2.0
"""Shapes of images that no node makes a container of, told from their manifests."""

from __future__ import annotations

import json

import pytest

from harness.errors import RegistryError, UnavailableError
from harness.image_cache.filling import require_usable
from harness.registries.manifest_shape import require_unpackable
from harness.registries.push import as_manifest

CONFIG = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": f"sha256:{'1' * 64}", "size": 2}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": f"sha256:{'2' * 64}", "size": 4}


def test_zstd_layers_are_no_trouble_to_nodes() -> None:
    require_usable(as_manifest(json.dumps({"config": CONFIG, "layers": [LAYER]}).encode()), "an image")


DOCKERS = {"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"}
NOTES = {"mediaType": "application/vnd.acme.notes.v1+json"}


def naming(*diff_ids: str) -> dict[str, object]:
    return {"rootfs": {"type": "layers", "diff_ids": list(diff_ids)}}


@pytest.mark.parametrize(
    ("layers", "config"),
    [
        ([LAYER], naming("sha256:1")),
        ([LAYER, LAYER], naming("sha256:1", "sha256:1")),
        ([DOCKERS, LAYER], naming("sha256:1", "sha256:2")),
        # What is beside the layers for another program is no layer to a node.
        ([LAYER, NOTES], naming("sha256:1")),
        ([NOTES], naming()),
        ([], naming()),
        ([], {}),
        (None, {"rootfs": {"type": "layers", "diff_ids": None}}),
    ],
)
def test_layers_are_as_many_as_the_configuration_names(layers: list[object], config: object) -> None:
    require_unpackable({"layers": layers}, config, "an image")


@pytest.mark.parametrize(
    ("layers", "config", "said"),
    [
        ([LAYER], naming(), "has 1 layer, and its configuration names 0"),
        ([LAYER], {}, "has 1 layer, and its configuration names 0"),
        ([LAYER], {"rootfs": None}, "has 1 layer, and its configuration names 0"),
        ([LAYER], naming("sha256:1", "sha256:2"), "has 1 layer, and its configuration names 2"),
        ([LAYER, LAYER], naming("sha256:1"), "has 2 layers, and its configuration names 1"),
        ([LAYER, NOTES], naming("1", "2"), "has 2 layers, of which nodes unpack 1 by their media types, and its .* 2"),
        ([{"mediaType": "application/octet-stream"}], naming("1"), "has 1 layer, of which nodes unpack 0 by .* 1"),
        ([], naming("sha256:1"), "has 0 layers, and its configuration names 1"),
        ([LAYER], [], "its configuration is no JSON object"),
        ([LAYER], None, "its configuration is no JSON object"),
    ],
)
def test_more_or_fewer_are_not_unpacked(layers: list[object], config: object, said: str) -> None:
    with pytest.raises(RegistryError, match=f"an image cannot be unpacked: .*{said}"):
        require_unpackable({"layers": layers}, config, "an image")


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
