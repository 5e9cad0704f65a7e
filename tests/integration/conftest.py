# SPDX-License-Identifier: Apache-2.0
"""The real parts that integration tests run: built once by the foundry, from the same pinned modules as in a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pull_storage
import pytest
from bare_node import BareNode, bare_node
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


@pytest.fixture(scope="session")
def crane_binary() -> Path:
    """crane: the one on PATH when its version is supported, else built."""
    return tools.ensure(settings.load(environment=os.environ), ["crane"])["crane"].path


@pytest.fixture(scope="module")
def storage(store: Store, registry_binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage as the foundry keeps it, with small images under the names of a release's."""
    crane = gobuild.build(store, "crane").folder / "bin" / "crane"
    return pull_storage.fill(tmp_path_factory.mktemp("foundry"), crane=crane, registry=registry_binary)


_LINES = [name for name in gobuild.modules() if name == "containerd" or name.startswith("containerd-")]
_WAYS = {"": "", "-old-way": "max_concurrent_downloads = 6"}
"""Any other count than the usual one turns the transfer service off: such nodes pull as older lines of containerd did
(plugins/cri/images/plugin.go), and so do kind's own, whose configuration discards unpacked layers."""


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            (line, way), id=f"{line}{way}", marks=[] if (line, way) == ("containerd", "") else pytest.mark.nightly
        )
        for line in _LINES
        for way in _WAYS
    ],
)
def node(request: pytest.FixtureRequest, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareNode]:
    """A node that pulls, with the containerd of the foundry's nodes; at night each other line of it, and both ways."""
    line, way = request.param
    programs = gobuild.build(store, line).folder / "bin"
    with bare_node(tmp_path_factory.mktemp("node"), programs, images=_WAYS[way]) as made:
        assert made.containerd == gobuild.build_file(line).version
        yield made


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
