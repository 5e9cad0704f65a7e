# SPDX-License-Identifier: Apache-2.0
"""Adding a Kubernetes version, with the real Go command and a module registry made of files."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path

import pytest
from module_registry import publish

from harness.errors import BuildError, UsageError
from harness.foundry import add_kubernetes, gobuild
from harness.foundry.store import Store
from harness.matrix import catalogue
from harness.matrix.model import Environment
from harness.settings import Settings

VERSION = "1.99.3"
_CONSTANTS = """package constants

const (
\tDefaultEtcdVersion = "3.9.8-0"
\tPauseVersion = "3.99"
)

const CoreDNSVersion = "v1.88.2"
"""
_KUBERNETES_ROW = """# the head of the file

[[kubernetes]]
version = "1.34.4"
etcd = "3.6.5"
etcd_tag = "3.6.5-0"
coredns = "1.12.1"
pause = "3.10.1"
"""
_ENVIRONMENT_ROWS = """# the head of the file

[[environment]]
name = "kind-1.34"
provider = "kind"
kubernetes = "1.34.4"
foundry = true
tags = ["kind"]

[[environment]]
name = "k3d-1.34"
provider = "k3d"
kubernetes = "1.34.4"
distribution = "k3s"
foundry = true
foundry_distribution = "something else"
tags = ["k3d"]
"""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Go module registry of files, which the Go command is told to ask instead of any other."""
    folder = tmp_path / "registry"
    programs = {f"cmd/{name}/main.go": "package main\n\nfunc main() {}\n" for name in add_kubernetes._PROGRAMS}
    programs["cmd/kubelet/main.go"] = 'package main\n\nimport _ "k8s.io/api"\n\nfunc main() {}\n'
    publish(
        folder,
        add_kubernetes.KUBERNETES,
        f"v{VERSION}",
        "go 1.25\n\ngodebug default=go1.25\n\nrequire k8s.io/api v0.0.0\n\n"
        "replace k8s.io/api => ./staging/src/k8s.io/api\n",
        {**programs, "cmd/kubeadm/app/constants/constants.go": _CONSTANTS},
    )
    publish(folder, "k8s.io/api", f"v0.{VERSION.split('.', 1)[1]}", "go 1.25\n", {"api.go": "package api\n"})
    main = "package main\n\nfunc main() {}\n"
    publish(folder, "go.etcd.io/etcd/server/v3", "v3.9.8", "go 1.25\n", {"main.go": main})
    publish(folder, "github.com/coredns/coredns", "v1.88.2", "go 1.25\n", {"main.go": main})
    for name, value in {"GOPROXY": folder.as_uri(), "GONOSUMDB": "*", "GOTOOLCHAIN": "local"}.items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "clusters" / "nodes" / "modules").mkdir(parents=True)
    (root / "clusters" / "nodes" / "kubernetes.toml").write_text(_KUBERNETES_ROW)
    (root / "clusters" / "environments.toml").write_text(_ENVIRONMENT_ROWS)
    return root


def _add(checkout: Path, settings: Settings, version: str = VERSION) -> add_kubernetes.Added:
    rows = catalogue.read_environments(checkout / "clusters" / "environments.toml")
    return add_kubernetes.add_kubernetes(settings, version, rows, lambda line: None, root=checkout)


def _files(checkout: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in checkout.rglob("*") if path.is_file()}


def _environments(checkout: Path) -> tuple[Environment, ...]:
    return catalogue.read_environments(checkout / "clusters" / "environments.toml")


@pytest.fixture
def settings(tmp_path: Path, go_build_cache: Path) -> Settings:
    work = tmp_path / "cache" / "work"
    work.mkdir(parents=True)
    (work / "go-build").symlink_to(go_build_cache)
    return Settings(cache_dir=tmp_path / "cache")


def test_a_version_brings_its_modules_its_row_and_its_environments(
    registry: Path, checkout: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = _add(checkout, settings)

    assert added.modules == (f"kubernetes-{VERSION}", "etcd-3.9.8", "coredns-1.88.2")
    rows = tomllib.loads((checkout / "clusters" / "nodes" / "kubernetes.toml").read_text())["kubernetes"]
    assert [row["version"] for row in rows] == ["1.34.4", VERSION]
    assert rows[1] == {
        "version": VERSION,
        "etcd": "3.9.8",
        "etcd_tag": "3.9.8-0",
        "coredns": "1.88.2",
        "pause": "3.99",
    }
    assert added.environments == ("kind-1.99", "k3d-1.99")
    environments = _environments(checkout)
    assert [it.name for it in environments] == ["kind-1.34", "kind-1.99", "k3d-1.34", "k3d-1.99"]
    assert (environments[3].kubernetes, environments[3].distribution, environments[3].foundry) == (VERSION, "k3s", True)
    assert environments[3].foundry_distribution == "something else"
    monkeypatch.setattr(gobuild, "MODULES", checkout / "clusters" / "nodes" / "modules")
    assert gobuild.build_file("etcd-3.9.8").rename == {"server": "etcd"}
    assert "k8s.io/kubernetes/cmd/kubelet" in gobuild.packages(f"kubernetes-{VERSION}")
    go_mod = (gobuild.MODULES / f"kubernetes-{VERSION}" / "go.mod").read_text()
    assert "k8s.io/api => k8s.io/api v0.99.3" in go_mod
    assert "godebug default=go1.25" in go_mod


def test_what_was_added_can_be_built(
    registry: Path, checkout: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    _add(checkout, settings)
    monkeypatch.setattr(gobuild, "MODULES", checkout / "clusters" / "nodes" / "modules")

    built = gobuild.build(Store.of(settings), f"kubernetes-{VERSION}")

    assert {file.name for file in (built.folder / "bin").iterdir()} == set(add_kubernetes._PROGRAMS)


def test_what_the_registry_refuses_is_told_and_nothing_is_written(
    registry: Path, checkout: Path, settings: Settings
) -> None:
    before = _files(checkout)

    with pytest.raises(
        BuildError, match=r"does not provide k8s.io/kubernetes@v1.98.0.*no such file.*\n.*another patch"
    ) as told:
        _add(checkout, settings, "1.98.0")
    shutil.rmtree(registry / "github.com")
    with pytest.raises(BuildError, match=r"does not provide everything that coredns-1\.88\.2 needs"):
        _add(checkout, settings)

    assert told.value.exit_status == 3
    assert _files(checkout) == before


def test_a_version_that_is_there_or_is_none_is_refused(registry: Path, checkout: Path, settings: Settings) -> None:
    _add(checkout, settings)
    before = _files(checkout)

    with pytest.raises(UsageError, match=r"already has Kubernetes 1\.99\.3"):
        _add(checkout, settings)
    with pytest.raises(UsageError, match=r"'v1\.99' is not a full Kubernetes version"):
        _add(checkout, settings, "v1.99")

    assert _files(checkout) == before


def test_an_environment_that_is_there_stays_as_it_is(registry: Path, checkout: Path, settings: Settings) -> None:
    file = checkout / "clusters" / "environments.toml"
    file.write_text(file.read_text().replace("k3d-1.34", "k3d-1.99"))

    added = _add(checkout, settings)

    assert (added.environments, added.kept) == (("kind-1.99",), ("k3d-1.99",))
    assert [(it.name, it.kubernetes) for it in _environments(checkout)] == [
        ("kind-1.34", "1.34.4"),
        ("kind-1.99", VERSION),
        ("k3d-1.99", "1.34.4"),
    ]
    assert any("k3d-1.99 already exists" in line for line in add_kubernetes.told(added, VERSION))
