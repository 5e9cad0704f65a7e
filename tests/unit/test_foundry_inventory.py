# SPDX-License-Identifier: Apache-2.0
"""What `harness foundry list`, `build` and `prune` see of a store."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock

from harness.errors import UsageError
from harness.foundry import addons, debian, images, inventory, spark
from harness.foundry.store import Artifact, Recipe, Store
from harness.matrix import catalogue
from harness.settings import Settings

BASE = debian.recipe(spark.catalogue().base)
OLD = Recipe(kind="layer", name=BASE.name, inputs={"suite": "an earlier one"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def store(settings: Settings) -> Store:
    return Store.of(settings)


def put(store: Store, recipe: Recipe, size: int = 10) -> Artifact:
    def make(folder: Path, _: Path) -> None:
        (folder / "layer.tar.gz").write_bytes(b"x" * size)

    return store.build(recipe, make)


def states(settings: Settings) -> dict[inventory.Identity, str]:
    return {(entry.kind, entry.name, entry.key): entry.state for entry in inventory.entries(settings, [])}


def test_artefacts_are_current_stale_or_missing(settings: Settings, store: Store) -> None:
    put(store, BASE)
    put(store, OLD)
    found = states(settings)
    assert found["layer", BASE.name, BASE.key] == "current"
    assert found["layer", OLD.name, OLD.key] == "stale"
    image = spark.recipe("4.0.4")
    assert found["image", image.name, image.key] == "missing"


def test_images_are_listed_with_their_reference(settings: Settings) -> None:
    image = spark.recipe("4.0.4")
    entry = next(entry for entry in inventory.entries(settings, []) if entry.key == image.key)
    assert entry.reference == "docker.io/apache/spark:4.0.4"


def test_shared_files_are_counted_once(settings: Settings, store: Store) -> None:
    layer = put(store, BASE, size=1_000_000)
    image = spark.recipe("4.0.4")
    store.build(image, lambda folder, _: (folder / "blob").hardlink_to(layer.folder / "layer.tar.gz"))
    sizes = {entry.kind: entry.size for entry in inventory.entries(settings, []) if entry.state == "current"}
    assert sizes["layer"] > 1_000_000
    assert sizes["image"] < 10_000


def test_prune_removes_what_is_stale_and_says_so(settings: Settings, store: Store) -> None:
    kept, gone = put(store, BASE), put(store, OLD, size=5000)
    pruned = inventory.prune(settings, [], lambda _: None)
    assert [entry.key for entry in pruned.removed] == [OLD.key]
    assert pruned.freed >= 5000
    assert kept.folder.exists()
    assert not gone.folder.exists()
    assert not gone.folder.with_name(f"{gone.folder.name}.lock").exists()


def test_prune_removes_what_an_interrupted_build_left(settings: Settings, store: Store) -> None:
    left = store.folder(BASE).with_name(f"{store.folder(BASE).name}.partial")
    left.mkdir(parents=True)
    (left / "rootfs.tar").write_text("half")
    inventory.prune(settings, [], lambda _: None)
    assert not left.exists()


def test_prune_leaves_a_build_that_goes_on(settings: Settings, store: Store) -> None:
    going = store.folder(BASE).with_name(f"{store.folder(BASE).name}.partial")
    going.mkdir(parents=True)
    with FileLock(str(store.folder(BASE)) + ".lock"):
        inventory.prune(settings, [], lambda _: None)
    assert going.exists()


def test_prune_leaves_what_was_made_of_the_artefacts_and_what_was_fetched(settings: Settings, store: Store) -> None:
    made = Recipe(kind="internet", name="content", inputs={"form": "current"})
    kept = [put(store, made), put(store, addons.recipe(catalogue.load().addons[0]))]
    old = put(store, Recipe(kind="internet", name="content", inputs={"form": "earlier"}))

    listed = {it.key: it.state for it in inventory.entries(settings, [], [made]) if it.state != "missing"}
    pruned = inventory.prune(settings, [], lambda _: None, [made])

    assert listed == {**dict.fromkeys((it.key for it in kept), "current"), old.key: "stale"}
    assert [it.key for it in pruned.removed] == [old.key]


def test_what_others_make_of_the_artefacts_is_never_missing(settings: Settings) -> None:
    made = Recipe(kind="internet", name="content", inputs={})
    assert "internet" not in {it.kind for it in inventory.entries(settings, [], [made])}


def test_an_unknown_name_says_what_was_meant(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"did you mean image spark-4\.0\.4"):
        inventory.build(settings, [], [], ["image spark-4.0.40"], lambda _: None)


def test_what_is_there_is_not_built_again(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # A real image takes a minute and half a gigabyte.
    monkeypatch.setattr(images.ImageBuild, "done", lambda _: True)
    assert inventory.build(settings, [], [], ["image spark-4.0.4"], lambda _: None) == []
