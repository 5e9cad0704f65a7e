# SPDX-License-Identifier: Apache-2.0
"""Node images that hold images."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import CatalogueError
from harness.foundry import kubernetes, loaded, nodes
from harness.foundry.images import ImageBuild
from harness.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path)


@pytest.mark.parametrize("version", kubernetes.rows())
def test_a_node_holds_what_the_file_lists(version: str, settings: Settings) -> None:
    node = loaded.loaded_node(settings, kubernetes.row(version))

    assert kubernetes.held_images() == node.held
    assert node.reference.startswith(f"{nodes.REPOSITORY}:v{version}-with-images-")
    assert node.reference != nodes.node_image(node.row)


def test_versions_have_nodes_of_their_own(settings: Settings) -> None:
    references = {loaded.loaded_node(settings, row).reference for row in kubernetes.rows().values()}

    assert len(references) == len(kubernetes.rows())


def test_the_key_changes_with_the_node_below(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(iter(kubernetes.rows().values()))
    before = loaded.loaded_node(settings, row).recipe.key

    monkeypatch.setattr(nodes, "SCRIPTS", "otherwise")

    assert loaded.loaded_node(settings, row).recipe.key != before


def test_an_image_that_nobody_builds_cannot_be_held(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubernetes, "held_images", lambda: ("docker.io/nobody/builds:this",))

    with pytest.raises(CatalogueError, match=r"docker\.io/nobody/builds:this"):
        loaded.loaded_node(settings, next(iter(kubernetes.rows().values())))


def test_the_same_recipe_with_another_digest_is_another_node(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = loaded.loaded_node(settings, next(iter(kubernetes.rows().values())))
    references = set()

    for digest in ("sha256:built-today", "sha256:built-tomorrow"):
        monkeypatch.setattr(ImageBuild, "digest", lambda self, digest=digest: digest)
        references.add(node.reference)

    assert len(references) == 2
