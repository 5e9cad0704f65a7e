# SPDX-License-Identifier: Apache-2.0
"""The content of the small internet: pins of node images, and images that get a name in another registry."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from harness.foundry.publish import published
from harness.internet import content
from harness.matrix import catalogue, own_rows

_DIGEST = "sha256:" + "a" * 64


def test_pins_replace_the_node_images_of_their_environments(tmp_path: Path) -> None:
    names = ("kind-1.34", "k3d-1.34")
    nodes = content.public_nodes([catalogue.load().environment(name) for name in names])
    (tmp_path / "environments.toml").write_text(
        content.pins(nodes, dict.fromkeys((it.reference for it in nodes), _DIGEST))
    )

    rehearsed = catalogue.load(own=own_rows.read([tmp_path]))

    kind, k3d = (rehearsed.environment(name) for name in names)
    assert kind.node_image == f"docker.io/kindest/node:v{kind.kubernetes}@{_DIGEST}"
    assert k3d.node_image == f"docker.io/rancher/k3s:v{k3d.kubernetes}-k3s1@{_DIGEST}"
    # What runs in it is what the foundry built, whatever upstream's patch is.
    assert kind.kubernetes_from("upstream") == kind.kubernetes
    assert catalogue.load().environment("kind-1.36").node_image == rehearsed.environment("kind-1.36").node_image


def test_the_public_name_of_a_stand_in_for_k3s_does_not_make_it_k3s(tmp_path: Path) -> None:
    known = catalogue.load().environment("k3d-1.34")
    nodes = content.public_nodes([known])
    (tmp_path / "environments.toml").write_text(content.pins(nodes, {nodes[0].reference: _DIGEST}))

    found = catalogue.load(own=own_rows.read([tmp_path])).environment("k3d-1.34")

    assert found.distribution_from("upstream") == known.foundry_distribution


def test_an_image_gets_a_name_in_another_registry_with_all_that_it_lists(tmp_path: Path) -> None:
    config, layer = _blob(tmp_path, b"{}"), _blob(tmp_path, b"layer")
    manifest = _blob(tmp_path, json.dumps({"config": config, "layers": [layer]}).encode())
    index = _blob(tmp_path, json.dumps({"manifests": [manifest]}).encode())
    tag = tmp_path / "docker.io/docker/registry/v2/repositories/rancher/k3s/_manifests/tags/v1/current/link"
    tag.parent.mkdir(parents=True)
    tag.write_text(index["digest"])

    content.copy_image(tmp_path, "docker.io/rancher/k3s:v1", tmp_path, "ghcr.io/k3d-io/k3d-tools:5.8.3")

    assert published(tmp_path, "ghcr.io/k3d-io/k3d-tools:5.8.3") == index["digest"]
    assert published(tmp_path, "ghcr.io/k3d-io/k3d-tools:v1") == ""


def _blob(root: Path, data: bytes) -> dict[str, Any]:
    digits = hashlib.sha256(data).hexdigest()
    file = root / "docker.io/docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    return {"digest": f"sha256:{digits}", "size": len(data)}
