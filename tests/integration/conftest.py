# SPDX-License-Identifier: Apache-2.0
"""The real parts that integration tests run: built once by the foundry, from the same pinned modules as in a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from installation import Installation, built

from harness import settings
from harness.bootstrap import tools
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.registries.local import Server, serve


@pytest.fixture(autouse=True)
def _no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may be logged in somewhere; no test must depend on that."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "no-docker-config"))


@pytest.fixture(scope="session")
def store() -> Store:
    """The foundry's store of whoever runs the tests, so that tools are built once a machine."""
    cache = settings.load(environment=os.environ).cache_dir
    return Store(cache / "artifacts", cache / "logs")


@pytest.fixture(scope="session")
def go_build_cache() -> Path:
    """A build cache for Go programs that tests compile, which stays: most of it is the standard library each time."""
    folder = settings.load(environment=os.environ).cache_dir / "pytest" / "go-build"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def registry_binary(store: Store) -> Path:
    """The distribution registry server."""
    return gobuild.build(store, "registry").folder / "bin" / "registry"


@pytest.fixture(scope="session")
def helm_binary() -> Path:
    """Helm: the one on PATH when its version is supported, else built."""
    return tools.ensure(settings.load(environment=os.environ), ["helm"])["helm"].path


@pytest.fixture
def registry(registry_binary: Path, tmp_path: Path) -> Iterator[Server]:
    """An empty registry that takes pushes."""
    with serve(registry_binary, tmp_path / "storage", tmp_path / "registry.log") as server:
        yield server


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return built("wheel", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """An environment that has the wheel, and no checkout."""
    return Installation.of(wheel, tmp_path_factory.mktemp("installed"))


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """A folder with nothing in it."""
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder
