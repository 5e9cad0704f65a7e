# SPDX-License-Identifier: Apache-2.0
"""The foundry's store: built once however many ask, whole or not at all. Real folders, locks and processes."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import process
from harness.errors import BuildError, ToolError
from harness.foundry.store import Recipe, Store

RECIPE = Recipe(kind="go", name="kind", inputs={"go.mod": "v1", "go": "1.26"})


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "artifacts", tmp_path / "logs")


def writes(text: str = "program") -> Callable[[Path, Path], None]:
    def make(folder: Path, log_file: Path) -> None:
        (folder / "bin").mkdir()
        (folder / "bin" / "kind").write_text(text)

    return make


def files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.suffix != ".lock")


def test_the_key_is_of_the_inputs_alone_and_in_any_order() -> None:
    same = Recipe(kind="x", name="y", inputs={"go": "1.26", "go.mod": "v1"})
    other = Recipe(kind="go", name="kind", inputs={"go": "1.26", "go.mod": "v2"})

    assert RECIPE.key == same.key
    assert RECIPE.key != other.key
    assert len(RECIPE.key) == 12


def test_an_artefact_is_built_once_and_found_afterwards(store: Store) -> None:
    assert store.get(RECIPE) is None

    first = store.build(RECIPE, writes("first"))
    second = store.build(RECIPE, writes("second"))

    assert (first.fresh, second.fresh) == (True, False)
    assert (second.folder / "bin" / "kind").read_text() == "first"
    assert second.size == len("first")
    found = store.get(RECIPE)
    assert found is not None
    assert (found.kind, found.name, found.key) == ("go", "kind", RECIPE.key)
    assert json.loads((found.folder / "artifact.json").read_text())["inputs"] == RECIPE.inputs


def test_other_inputs_make_another_artefact_beside_it(store: Store) -> None:
    other = Recipe(kind="go", name="kind", inputs={"go.mod": "v2"})
    store.build(RECIPE, writes("one"))
    store.build(other, writes("two"))

    assert {artifact.key for artifact in store.artifacts()} == {RECIPE.key, other.key}

    found = store.get(other)
    assert found is not None
    store.remove(found)
    assert store.get(other) is None
    assert store.get(RECIPE) is not None


def test_threads_that_want_the_same_build_it_once(store: Store) -> None:
    began = threading.Event()
    go_on = threading.Event()
    builds: list[Path] = []

    def make(folder: Path, log_file: Path) -> None:
        builds.append(folder)
        began.set()
        go_on.wait(20)
        writes()(folder, log_file)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(store.build, RECIPE, make)
        assert began.wait(20)
        others = [pool.submit(store.build, RECIPE, make) for _ in range(2)]
        go_on.set()
        results = [future.result(30) for future in (first, *others)]

    assert len(builds) == 1
    assert [it.fresh for it in results] == [True, False, False]
    assert len({it.folder for it in results}) == 1


PROGRAM = """
import sys, time
from pathlib import Path
from harness.foundry.store import Recipe, Store

root = Path(sys.argv[1])

def make(folder, log_file):
    with (root / "builds").open("a") as sink:
        sink.write("built\\n")
    time.sleep(0.5)
    (folder / "it").write_text("x")

print(Store(root / "a", root / "l").build(Recipe(kind="k", name="n", inputs={"a": "b"}), make).fresh)
"""


def test_processes_that_want_the_same_build_it_once(tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, tmp_path], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [child.communicate(timeout=60)[0].strip() for child in running]

    assert sorted(said) == ["False", "True"]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_a_failed_build_leaves_nothing_and_its_error_names_the_log(store: Store) -> None:
    def make(folder: Path, log_file: Path) -> None:
        (folder / "half").write_text("x")
        process.call(["sh", "-c", "echo 'undefined: x'; exit 1"], timeout=20, log_file=log_file)

    with pytest.raises(BuildError) as raised:
        store.build(RECIPE, make)

    log_file = store.log_file(RECIPE)
    assert "building go kind failed" in raised.value.message
    assert "undefined: x" in raised.value.message
    assert str(log_file) in str(raised.value)
    assert "undefined: x" in log_file.read_text()
    assert store.get(RECIPE) is None
    assert store.artifacts() == []
    assert files(store.root) == ["go"]
    assert store.build(RECIPE, writes()).fresh


def test_the_error_names_the_log_also_when_the_cause_has_its_own_next_step(store: Store) -> None:
    def make(folder: Path, log_file: Path) -> None:
        log_file.write_text("said before\n")
        raise ToolError("gcc was not found", "install it")

    with pytest.raises(BuildError) as raised:
        store.build(RECIPE, make)

    assert "install it" in str(raised.value)
    assert str(store.log_file(RECIPE)) in str(raised.value)


def test_a_full_disk_is_an_error_of_the_build(store: Store) -> None:
    def make(folder: Path, log_file: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(BuildError, match=r"building go kind failed: .*No space left on device"):
        store.build(RECIPE, make)

    assert store.get(RECIPE) is None


def test_an_interrupted_build_leaves_nothing_that_counts(store: Store) -> None:
    def make(folder: Path, log_file: Path) -> None:
        (folder / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.build(RECIPE, make)

    assert store.get(RECIPE) is None
    assert files(store.root) == ["go"]


def test_what_a_killed_build_left_is_done_anew(store: Store) -> None:
    folder = store.folder(RECIPE)
    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True)
    (partial / "half").write_text("of an earlier process that was killed")

    built = store.build(RECIPE, writes())

    described = ["materials.json", "provenance.json", "sbom.cdx.json"]
    assert files(built.folder) == ["artifact.json", "bin", "bin/kind", *described]
    assert not partial.exists()


def test_a_partial_folder_with_a_manifest_is_no_artefact(store: Store) -> None:
    built = store.build(RECIPE, writes())
    built.folder.rename(built.folder.with_name(built.folder.name + ".partial"))

    assert store.get(RECIPE) is None
    assert store.artifacts() == []
