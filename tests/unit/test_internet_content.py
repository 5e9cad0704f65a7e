# SPDX-License-Identifier: Apache-2.0
"""The content of the small internet: pins of node images, and images that get a name in another registry."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from harness import cli, settings
from harness.bootstrap import tools
from harness.bootstrap.tools import Tool
from harness.foundry.publish import published
from harness.foundry.store import Recipe, Store
from harness.internet import content
from harness.internet.content import Content
from harness.matrix import catalogue, own_rows
from harness.settings import Settings

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


def test_prune_keeps_the_content_of_a_rehearsal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Their programs need a compiler, and minutes.
    k3d = Tool(name="k3d", path=tmp_path / "k3d", version="5.8.3", origin="foundry")
    monkeypatch.setattr(tools, "resolve", lambda *_: {"k3d": k3d})
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    wanted = settings.load(environment=os.environ)
    store = Store.of(wanted)
    kept = store.build(Content.of(wanted, catalogue.load()).recipe(), lambda folder, _: (folder / "charts").mkdir())
    old = store.build(Recipe(kind="internet", name="content", inputs={}), lambda folder, _: None)

    assert cli.main(["foundry", "prune"]) == 0

    assert kept.folder.exists()
    assert not old.folder.exists()


def test_prune_needs_no_node_of_the_foundry(tmp_path: Path) -> None:
    text = """\
[[environment]]
name = "kind-1.34"
replaces = true
provider = "kind"
kubernetes = "1.34.99"
node_image = "docker.io/acme/node:v1.34.99"
"""
    (tmp_path / "environments.toml").write_text(text)
    known = catalogue.load(own=own_rows.read([tmp_path]))

    assert Content.of(Settings(cache_dir=tmp_path), known).kept() == []


def _blob(root: Path, data: bytes) -> dict[str, Any]:
    digits = hashlib.sha256(data).hexdigest()
    file = root / "docker.io/docker/registry/v2/blobs/sha256" / digits[:2] / digits / "data"
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    return {"digest": f"sha256:{digits}", "size": len(data)}
