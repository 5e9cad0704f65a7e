# SPDX-License-Identifier: Apache-2.0
"""Debian packages on record, and what a mirror serves instead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import BuildError, CatalogueError, UsageError
from harness.foundry import argocd, bases, debian, node_systems, papers, recorded, spark
from harness.foundry.layers import write_layer
from harness.foundry.recorded import RecordedSystem
from harness.foundry.store import Store
from harness.foundry.supply import debs
from harness.foundry.supply.components import Component
from harness.images.architecture import architecture

KNOWN = RecordedSystem(
    name="base",
    architecture="amd64",
    packages=(f"bash 5.2.15-2+b7 {'a' * 64}", f"libc6 2.36-9 {'b' * 64}", f"tini 0.19.0-1 {'c' * 64}"),
)


def package(name: str, version: str, sha256: str = "") -> Component:
    return Component(ecosystem="deb", group="debian", name=name, version=version, sha256=sha256)


SAME = [package("bash", "5.2.15-2+b7", "a" * 64), package("libc6", "2.36-9", "b" * 64)]


def test_the_packages_on_record_are_no_drift() -> None:
    found = recorded.drift("base", "amd64", [*SAME, package("tini", "0.19.0-1", "c" * 64)], [KNOWN])

    assert not found
    recorded.require(found, exactly=True)


def test_another_version_is_told_and_refused_only_if_nothing_else_will_do() -> None:
    found = recorded.drift("base", "amd64", [*SAME, package("tini", "0.20.0-1"), package("zstd", "1.5")], [KNOWN])

    assert str(found) == "base: 2 Debian packages differ from the record: zstd 1.5 is new, tini 0.19.0-1 → 0.20.0-1"
    recorded.require(found, exactly=False)
    with pytest.raises(BuildError, match=re.escape("tini 0.19.0-1 → 0.20.0-1")):
        recorded.require(found, exactly=True)


def test_another_file_under_a_recorded_version_is_always_refused() -> None:
    found = recorded.drift("base", "amd64", [*SAME, package("tini", "0.19.0-1", "f" * 64)], [KNOWN])

    with pytest.raises(BuildError, match=re.escape("other files under recorded versions: tini 0.19.0-1")):
        recorded.require(found, exactly=False)


def test_another_architecture_has_no_record() -> None:
    found = recorded.drift("base", "arm64", SAME, [KNOWN])

    assert str(found) == "base: its Debian packages are not on record"
    recorded.require(found, exactly=False)
    with pytest.raises(BuildError, match="not on record"):
        recorded.require(found, exactly=True)


def test_a_package_without_a_hash_is_compared_by_its_version() -> None:
    assert not recorded.drift("base", "amd64", [*SAME, package("tini", "0.19.0-1")], [KNOWN])


def test_every_base_system_is_on_record() -> None:
    below = (node_systems.base_system(), node_systems.proxy_system(), spark.catalogue().base, argocd.row().base)
    names = {it.name for it in below}

    assert {it.name for it in recorded.systems()} == names
    for system in recorded.systems():
        assert all(version and len(sha256) == 64 for version, sha256 in system.listed.values())


def test_what_is_stored_is_recorded_and_other_architectures_stay(tmp_path: Path) -> None:
    store, file = Store(tmp_path / "artifacts", tmp_path / "logs"), tmp_path / "packages.toml"
    file.write_text(recorded.text([], "riscv64", {"node-base": SAME}))
    with pytest.raises(UsageError, match="no base system is stored"):
        papers.record_packages(store, file)
    status = "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5\n"

    def make(folder: Path, _: Path) -> None:
        write_layer(folder, "layer", lambda layer: layer.text(debs.STATUS, status))
        (folder / "packages.txt").write_text(f"Package: bash\nVersion: 5\nArchitecture: amd64\nSHA256: {'a' * 64}\n")

    store.build(debian.recipe(node_systems.base_system()), make)

    assert papers.record_packages(store, file) == ["node-base: its Debian packages are not on record"]
    assert {(it.name, it.architecture): it.packages for it in recorded.read(file).system} == {
        ("node-base", architecture()): (f"bash 5 {'a' * 64}",),
        ("node-base", "riscv64"): KNOWN.packages[:2],
    }
    assert papers.record_packages(store, file) == ["the record has all of them already"]


def test_a_line_that_is_no_package_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "packages.toml"
    file.write_text('[[system]]\nname = "base"\narchitecture = "amd64"\npackages = [\n    "bash 5.2",\n]\n')

    with pytest.raises(CatalogueError, match=re.escape(f"{file}, line 4: key packages")):
        recorded.read(file)


@pytest.mark.parametrize(("version", "same"), [("5", True), ("6", False)])
def test_a_lock_has_the_packages_of_the_stored_base_systems(tmp_path: Path, version: str, same: bool) -> None:
    def digests(name: str, version: str, records: str) -> dict[str, str]:
        store = Store(tmp_path / name, tmp_path / "logs")
        status = f"Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: {version}\n"

        def make(folder: Path, _: Path) -> None:
            write_layer(folder, "layer", lambda layer: layer.text(debs.STATUS, status))
            (folder / "packages.txt").write_text(records)

        store.build(debian.recipe(node_systems.base_system()), make)
        return bases.digests(store)

    there = digests("there", "5", f"Package: bash\nVersion: 5\nArchitecture: amd64\nSHA256: {'a' * 64}\n")

    assert list(there) == ["node-base"]
    # Whether their hashes are known depends on when it was built.
    assert (digests("here", version, "") == there) == same
