# SPDX-License-Identifier: Apache-2.0
"""Which node image the foundry builds for an environment, and what a k3s-shaped one depends on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.foundry import gobuild, k3s, kubernetes, nodes, shapes
from harness.foundry.images import ImageBuild
from harness.foundry.k3s import K3sShapedNode
from harness.foundry.loaded import loaded_node
from harness.matrix import catalogue
from harness.settings import Settings

ENVIRONMENTS = {it.name: it for it in catalogue.load().environments}


@pytest.fixture(autouse=True)
def _a_go_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Recipes ask Go for its version; these tests must also pass where there is no Go.
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.26.0")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path)


def shaped(settings: Settings) -> K3sShapedNode:
    return K3sShapedNode(base=loaded_node(settings, kubernetes.row("1.34.4")))


def test_the_distribution_decides_the_shape(settings: Settings) -> None:
    kind, k3d = (shapes.node_for(settings, ENVIRONMENTS[name]) for name in ("kind-1.34", "k3d-1.34"))

    assert kind.reference.startswith(f"{nodes.REPOSITORY}:v1.34.4-with-images-")
    assert kind.plain == nodes.node_image(kind.row)
    assert k3d.reference.startswith("spark-operator-harness/k3s-shaped-node:v1.34.4-")
    # It stands on the node with images, so that there is none without.
    assert k3d.plain == k3d.reference
    assert k3d.held == kind.held == kubernetes.held_images()


def test_every_environment_of_the_foundry_has_a_node(settings: Settings) -> None:
    wanted = [it for it in ENVIRONMENTS.values() if it.foundry]

    assert {it.provider for it in wanted} == {"kind", "k3d"}
    found = shapes.nodes_for(settings, ENVIRONMENTS.values())
    assert len({node.reference for node in found}) == len(found)
    # What differs in anything but the software on its node has the same node.
    assert len(found) == len({(it.provider, it.kubernetes, it.containerd) for it in wanted})
    assert {node.reference for node in found} <= {
        node.reference
        for row in {it.title: it for it in map(kubernetes.row_of, wanted)}.values()
        for node in shapes.all_nodes(settings, row)
    }


def test_a_distribution_that_nobody_builds_is_named(settings: Settings) -> None:
    odd = ENVIRONMENTS["kind-1.34"].model_copy(update={"distribution": "microk8s"})

    with pytest.raises(CatalogueError, match="no node for the distribution 'microk8s'"):
        shapes.node_for(settings, odd)


@pytest.mark.parametrize("what", ["node below", "program", "containerd", "finish", "volumes"])
def test_the_key_changes_with_everything_in_it(
    settings: Settings, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shaped(settings).recipe.key
    if what == "node below":
        monkeypatch.setattr(nodes, "SCRIPTS", "otherwise")
    elif what == "program":
        shutil.copytree(gobuild.MODULES, tmp_path / "modules")
        with (tmp_path / "modules" / "k3s-shaped-node" / "agent.go").open("a") as sink:
            sink.write("\n")
        monkeypatch.setattr(gobuild, "MODULES", tmp_path / "modules")
    elif what == "containerd":
        monkeypatch.setattr(nodes, "containerd_config", lambda row: "SystemdCgroup = true\nroot = '/elsewhere'\n")
    else:
        monkeypatch.setattr(k3s, {"finish": "_FINISH", "volumes": "_VOLUMES"}[what], ("/other",))

    assert shaped(settings).recipe.key != before


def test_the_identity_of_a_node_does_not_depend_on_the_images_in_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for digest in ("sha256:here", "sha256:there"):
        monkeypatch.setattr(ImageBuild, "digest", lambda self, digest=digest: digest)
        node = shaped(settings)
        seen.append((node.recipe.key, node.identity))

    assert seen[0][0] != seen[1][0]
    assert seen[0][1] == seen[1][1]
    assert shaped(settings).identity != shaped(settings).base.identity


def test_the_node_says_what_it_is_and_asks_no_systemd(settings: Settings) -> None:
    row = kubernetes.row("1.34.4")

    assert k3s._facts(row) == "kubernetes: v1.34.4\ncoredns: registry.k8s.io/coredns/coredns:v1.12.1\n"
    config = k3s._containerd_config(row)
    assert "SystemdCgroup = false" in config
    assert row.images()["pause"] in config
    assert 'config_path = "/etc/containerd/certs.d"' in config
