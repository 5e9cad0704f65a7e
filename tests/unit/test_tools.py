# SPDX-License-Identifier: Apache-2.0
"""Tools: those of PATH in a supported version, else built ones; never a build while resolving.

The programs on PATH are scripts that only know their version: what counts is which of them is chosen.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.bootstrap import tools
from harness.errors import CatalogueError, ToolError, UsageError
from harness.foundry import gobuild
from harness.foundry.store import Artifact, Store
from harness.matrix import catalogue
from harness.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(cache_dir=tmp_path / "cache")


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH, but for Go, whose version is part of what identifies a build."""
    folder = tmp_path / "bin"
    folder.mkdir()
    go = shutil.which("go")
    if go:
        (folder / "go").symlink_to(go)
    monkeypatch.setenv("PATH", str(folder))
    return folder


needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")


def program(folder: Path, name: str, answer: str) -> Path:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{answer}'\n")
    file.chmod(0o755)
    return file


def built(settings: Settings, module: str, *programs: str, only: list[str] | None = None) -> Artifact:
    """An artefact in the store, as a build would leave it."""

    def make(folder: Path, log_file: Path) -> None:
        (folder / "bin").mkdir()
        for name in programs:
            program(folder / "bin", name, "")

    return Store.of(settings).build(gobuild.recipe(module, only), make)


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("kind", "kind v0.32.0 go1.26.1 linux/amd64", "0.32.0"),
        ("helm", "v3.17.3+ge4da497", "3.17.3"),
        ("helm", "v4.3.1+g1234567", "4.3.1"),
        ("crane", "v0.22.1", "0.22.1"),
    ],
)
def test_a_supported_version_on_path_is_used(
    path: Path, settings: Settings, name: str, answer: str, version: str
) -> None:
    file = program(path, name, answer)

    found = tools.resolve(settings, [name])

    assert found == {name: tools.Tool(name=name, path=file, version=version, origin="PATH")}


@needs_go
@pytest.mark.parametrize(
    ("name", "answer", "said"),
    [
        ("kind", "kind v0.29.0 go1.24.2 linux/amd64", r"kind is 0.29.0, supported: >=0.30,<0.34"),
        ("kind", "kind v0.34.0 go1.24.2 linux/amd64", r"kind is 0.34.0, supported: >=0.30,<0.34"),
        ("helm", "v3.13.0", r"helm is 3.13.0, supported: >=3.14,<5"),
        ("helm", "v5.0.0", r"helm is 5.0.0, supported: >=3.14,<5"),
        ("helm", "hello", r"helm does not report its version"),
    ],
)
def test_another_version_is_not_used(path: Path, settings: Settings, name: str, answer: str, said: str) -> None:
    program(path, name, answer)

    with pytest.raises(ToolError, match=said) as caught:
        tools.resolve(settings, [name])
    assert "nox -s bootstrap" in caught.value.next_step


@needs_go
@pytest.mark.parametrize(
    ("content", "said"),
    [
        # The shim of a version manager in a folder that asks for none of its versions.
        (
            b"#!/bin/sh\necho 'No version is set for command helm'; echo 'helm 3.14.0'; exit 126\n",
            "ends with status 126",
        ),
        (b"#!/bin/sh\nkill -9 $$\n", "helm does not report its version"),
        # A program for another architecture, and a wrapper without its first line.
        (b"\x7fELF\x02\x01\x01" + bytes(64), "helm cannot be executed: Exec format error"),
        (b'exec /opt/helm/helm "$@"\n', "helm cannot be executed: Exec format error"),
        (b"#!/opt/none/bash\necho v3.16.2\n", "helm cannot be run: what its first line names was not found"),
    ],
)
def test_one_that_cannot_be_run_is_passed_over(path: Path, settings: Settings, content: bytes, said: str) -> None:
    file = program(path, "helm", "")
    file.write_bytes(content)
    with pytest.raises(ToolError, match=said) as caught:
        tools.resolve(settings, ["helm"])
    assert "nox -s bootstrap" in caught.value.next_step


@needs_go
@pytest.mark.parametrize("version", ["0.30.0", "0.31.0"])
def test_one_that_does_for_older_clusters_may_not_do_for_newer_ones(
    path: Path, settings: Settings, version: str
) -> None:
    file = program(path, "kind", f"kind v{version} go1.25.4 linux/amd64")
    known = catalogue.load()
    old, new = (tools.clusters_of([known.environment(name)]) for name in ("kind-1.34", "kind-1.37"))

    assert tools.resolve(settings, ["kind"], clusters=old)["kind"].path == file
    # Another provider's clusters ask nothing of it.
    other = tools.clusters_of([known.environment("kind-1.34"), known.environment("k3d-1.37")])
    assert tools.resolve(settings, ["kind"], clusters=other)["kind"].path == file
    both = tools.clusters_of([known.environment("kind-1.34"), known.environment("kind-1.37")])
    for clusters in (new, both):
        with pytest.raises(ToolError, match=rf"{version}, supported: >=0.32,<0.34 for Kubernetes 1.37 and later"):
            tools.resolve(settings, ["kind"], clusters=clusters)
    artifact = built(settings, "kind", "kind")
    assert tools.resolve(settings, ["kind"], clusters=both)["kind"].path == artifact.folder / "bin" / "kind"


@needs_go
def test_a_later_minor_than_a_row_names_is_of_the_same_range() -> None:
    row = tools.catalogue()["kind"]
    assert row.supports("0.31.0", ["1.36"])
    assert not row.supports("0.31.0", ["1.38"])
    assert row.supports("0.32.0", ["1.38"])
    assert not row.supports("0.34.0", ["1.38"])
    assert row.range() == ">=0.30,<0.34"


@needs_go
def test_a_helm_that_is_not_supported_is_not_passed_over_in_silence(path: Path, settings: Settings) -> None:
    built(settings, "helm", "helm")
    own = gobuild.build_file("helm").version
    assert str(tools.resolve(settings, ["helm"])["helm"]) == f"{own} (foundry)"
    file = program(path, "helm", "v5.0.0")
    told = f"{file} is 5.0.0, supported: >=3.14,<5; results hold for Helm 3"
    found = tools.resolve(settings, ["helm"])["helm"]
    assert found.passed_over == told
    assert str(found) == f"{own} (foundry); {told}"
    assert tools.ensure(settings, ["helm"])["helm"] == found


@needs_go
@pytest.mark.parametrize(
    ("answer", "chosen"),
    [
        ("v3.17.3", {"helm": "PATH", "helm3": "PATH", "helm4": "foundry"}),
        ("v4.3.1", {"helm": "PATH", "helm3": "foundry", "helm4": "PATH"}),
    ],
)
def test_a_way_that_names_a_helm_gets_that_one_whatever_is_on_path(
    path: Path, settings: Settings, answer: str, chosen: dict[str, str]
) -> None:
    builds = {"helm3": built(settings, "helm", "helm"), "helm4": built(settings, "helm-4", "helm")}
    file = program(path, "helm", answer)

    found = tools.resolve(settings, list(chosen))

    assert {name: tool.origin for name, tool in found.items()} == chosen
    for name, artifact in builds.items():
        assert found[name].path == (file if chosen[name] == "PATH" else artifact.folder / "bin" / "helm")
        assert found[name].version.startswith(name[-1])


@needs_go
def test_all_missing_tools_are_named_at_once(path: Path, settings: Settings) -> None:
    with pytest.raises(ToolError) as caught:
        tools.resolve(settings, ["kind", "helm", "registry"])

    assert caught.value.message.splitlines() == [
        "kind is not on PATH",
        "helm is not on PATH",
        "registry is not built yet",
    ]


@needs_go
def test_a_built_tool_is_used_where_path_has_none(path: Path, settings: Settings) -> None:
    artifact = built(settings, "kind", "kind")

    found = tools.resolve(settings, ["kind"])["kind"]

    assert (found.path, found.origin) == (artifact.folder / "bin" / "kind", "foundry")
    assert found.version == gobuild.build_file("kind").version
    assert tools.ensure(settings, ["kind"])["kind"] == found


@needs_go
def test_a_registry_on_path_is_never_used(path: Path, settings: Settings) -> None:
    program(path, "registry", "registry github.com/distribution/distribution/v3 v3.1.2")

    with pytest.raises(ToolError, match="registry is not built yet"):
        tools.resolve(settings, ["registry"])


@needs_go
def test_kubectl_may_be_one_minor_away(path: Path, settings: Settings) -> None:
    file = program(path, "kubectl", "Client Version: v1.35.1-dispatcher\nKustomize Version: v5.7.1")

    found = tools.resolve(settings, ["kubectl"], ["1.34", "1.36"])

    assert set(found) == {"kubectl", "kubectl-1.34", "kubectl-1.36"}
    assert {tool.path for tool in found.values()} == {file}


@needs_go
def test_each_minor_gets_a_kubectl_that_fits(path: Path, settings: Settings) -> None:
    file = program(path, "kubectl", "Client Version: v1.33.2")
    artifact = built(settings, "kubernetes-1.36.3", "kubectl", only=["kubectl"])

    found = tools.resolve(settings, ["kubectl"], ["1.34", "1.36"])

    assert tools.kubectl_for(found, "1.34").path == file
    assert tools.kubectl_for(found, "1.36").path == artifact.folder / "bin" / "kubectl"
    assert found["kubectl"].path == file


@needs_go
def test_a_whole_kubernetes_brings_its_kubectl(path: Path, settings: Settings) -> None:
    artifact = built(settings, "kubernetes-1.34.4", "kubectl", "kubelet")

    assert tools.resolve(settings, ["kubectl"], ["1.34"])["kubectl"].path == artifact.folder / "bin" / "kubectl"


@pytest.mark.parametrize(
    ("minor", "module"),
    [
        ("1.24", "1.34.4"),
        ("1.33", "1.34.4"),
        ("1.34", "1.34.4"),
        ("1.36", "1.36.3"),
        ("1.99", "1.37.2"),
        ("", "1.37.2"),
    ],
)
def test_kubectl_is_of_the_nearest_minor(minor: str, module: str) -> None:
    assert tools.module_for("kubectl", minor) == f"kubernetes-{module}"


def test_an_unknown_tool(settings: Settings) -> None:
    with pytest.raises(UsageError, match="there is no tool named 'k9s'"):
        tools.resolve(settings, ["k9s"])


def test_every_row_of_the_catalogue_can_be_built() -> None:
    for name in tools.catalogue():
        assert tools.module_for(name, "1.34") in gobuild.modules()


def test_what_is_built_lies_in_the_supported_range() -> None:
    minors = [it.minor for it in catalogue.load().environments]
    for name, row in tools.catalogue().items():
        assert row.supports(gobuild.build_file(tools.module_for(name, "1.34")).version, minors)


def test_a_wrong_catalogue_names_its_file(tmp_path: Path) -> None:
    file = tmp_path / "tools.toml"
    file.write_text("[kind]\nmodul = 'kind'\n")

    with pytest.raises(CatalogueError, match=r"tools\.toml"):
        tools.catalogue(file)
