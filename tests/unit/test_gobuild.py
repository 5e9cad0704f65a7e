# SPDX-License-Identifier: Apache-2.0
"""Every Go tool module is complete and pinned, and what is built depends on all of its files."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from harness.errors import CatalogueError, ToolError
from harness.foundry import gobuild
from harness.foundry.store import Store
from harness.matrix.versions import numbers

MODULES = gobuild.modules()
OWN = [name for name in MODULES if all(it.startswith("harness.invalid/") for it in gobuild.packages(name))]
"""Modules that hold a program's source: nothing is required at the program's version."""


@pytest.fixture(autouse=True)
def _a_go_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Recipes ask Go for its version; these tests read files and must also pass where there is no Go.
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.26.0")


def go_mod(module: str) -> str:
    return (gobuild.MODULES / module / "go.mod").read_text()


def test_every_folder_is_a_module() -> None:
    folders = sorted(path.name for path in gobuild.MODULES.iterdir() if path.is_dir())

    assert folders == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_its_files_and_tool_lines(module: str) -> None:
    for name in ("go.mod", "go.sum", "build.toml"):
        assert (gobuild.MODULES / module / name).read_text().strip()
    assert gobuild.build_file(module).licence
    assert gobuild.packages(module)
    assert all(re.fullmatch(r"[\w./-]+", package) for package in gobuild.packages(module))


@pytest.mark.parametrize("module", [name for name in MODULES if name not in OWN])
def test_the_version_is_the_one_that_go_mod_requires(module: str) -> None:
    version = gobuild.build_file(module).version
    paths = [line.split()[:2] for line in re.findall(r"^\s*(?:require )?(\S+ v\S+)", go_mod(module), re.M)]
    providers = {
        (path, required.removeprefix("v"))
        for path, required in paths
        for package in gobuild.packages(module)
        if package == path or package.startswith(f"{path}/")
    }
    deepest = max(providers, key=lambda it: len(it[0]))

    assert deepest[1] == version


def test_the_oldest_go_is_the_one_that_the_least_of_the_modules_asks_for() -> None:
    asked = re.findall(r"^go (\S+)$", "\n".join(it.read_text() for it in gobuild.MODULES.glob("*/go.mod")), re.M)
    assert min(asked, key=numbers) == gobuild.OLDEST_GO


def test_the_certificate_issuer_has_the_version_of_the_cert_manager_in_it() -> None:
    version = gobuild.build_file("certificate-issuer").version

    assert f"github.com/cert-manager/cert-manager v{version}" in go_mod("certificate-issuer")


@pytest.mark.parametrize("module", MODULES)
def test_a_name_with_a_version_is_that_version(module: str) -> None:
    named = re.search(r"-(\d+\.\d+\.\d+)$", module)
    if named:
        assert gobuild.build_file(module).version == named[1]


@pytest.mark.parametrize("module", MODULES)
def test_nothing_is_replaced_by_a_folder_of_this_machine(module: str) -> None:
    replaced = re.findall(r"=>\s*(\S+)(.*)$", go_mod(module), re.M)

    # A folder of the module itself is part of the project.
    others = [it for it in replaced if not (it[0].startswith("./") and (gobuild.MODULES / module / it[0]).is_dir())]
    assert [target for target, version in others if target.startswith((".", "/")) or not version.strip()] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_required_module_has_its_sum(module: str) -> None:
    replaced = dict(re.findall(r"^\s*(\S+) => (\S+ v\S+)", go_mod(module), re.M))
    required = re.findall(r"^\s*(?:require )?([\w.~/!-]+) (v\S+)", go_mod(module).split("replace (")[0], re.M)
    sums = {" ".join(line.split()[:2]) for line in (gobuild.MODULES / module / "go.sum").read_text().splitlines()}
    own = set(re.findall(r"^\s*(?:replace )?(\S+) => \./", go_mod(module), re.M))
    wanted = [replaced.get(path, f"{path} {version}") for path, version in required if path not in own]

    assert [it for it in wanted if it not in sums and f"{it}/go.mod" not in sums] == []


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("kubernetes-")])
def test_kubernetes_takes_its_staging_modules_at_its_own_version(module: str) -> None:
    version = gobuild.build_file(module).version
    staging = re.findall(r"^\s*(k8s\.io/\S+) => (\S+) (v\S+)", go_mod(module), re.M)

    assert len(staging) > 25
    assert {target for name, target, _ in staging if name != target} == set()
    assert {pinned for _, _, pinned in staging} == {f"v0.{version.split('.', 1)[1]}"}


def test_programs_are_named_as_people_know_them() -> None:
    def names(module: str) -> set[str]:
        settings = gobuild.build_file(module)
        return {gobuild._program(package, settings) for package in gobuild.packages(module)}

    assert names("kind") == {"kind"}
    assert names("helm") == {"helm"}
    assert names("k3d") == {"k3d"}
    assert names("kine") == {"kine"}
    assert names("k3s-shaped-node") == {"k3s"}
    assert names("etcd-3.6.5") == {"etcd"}
    assert names("spark-operator-2.5.2") >= {"spark-operator"}
    assert names("kubernetes-1.34.4") >= {"kubelet", "kubeadm", "kubectl", "kube-apiserver"}


def test_the_key_changes_with_each_file_the_programs_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(gobuild.MODULES / "kind", tmp_path / "kind")
    monkeypatch.setattr(gobuild, "MODULES", tmp_path)
    keys = [gobuild.recipe("kind").key]
    for name in ("go.mod", "go.sum", "build.toml"):
        with (tmp_path / "kind" / name).open("a") as sink:
            sink.write("\n")
        keys.append(gobuild.recipe("kind").key)
    keys.append(gobuild.recipe("kind", ["kind"]).key)
    monkeypatch.setattr(gobuild, "_go_version", lambda: "go1.27.0")
    keys.append(gobuild.recipe("kind").key)

    assert len(set(keys)) == len(keys)


def test_the_key_of_a_program_of_ours_changes_with_its_source_but_not_with_its_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(gobuild.MODULES / "k3s-shaped-node", tmp_path / "own")
    monkeypatch.setattr(gobuild, "MODULES", tmp_path)
    before = gobuild.recipe("own").key
    (tmp_path / "own" / "more_test.go").write_text("package main\n")
    tested = gobuild.recipe("own").key
    (tmp_path / "own" / "manifests" / "coredns.yaml").write_text("kind: Nothing\n")

    assert tested == before != gobuild.recipe("own").key


def test_an_unknown_module_is_told_with_those_that_there_are() -> None:
    with pytest.raises(CatalogueError, match=r"no Go tool module 'kubernetes-1\.2\.3'") as raised:
        gobuild.build_file("kubernetes-1.2.3")

    assert "kubernetes-1.34.4" in raised.value.next_step


@pytest.mark.parametrize("text", ["version = ", 'version = "1"\nlicence = "x"\nflags = 3\n'])
def test_a_wrong_build_file_is_told_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(gobuild, "MODULES", tmp_path)
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "build.toml").write_text(text)

    with pytest.raises(CatalogueError, match=re.escape(str(tmp_path / "it" / "build.toml"))):
        gobuild.build_file("it")


def test_a_module_that_is_not_required_is_an_error() -> None:
    assert gobuild.required_version("kubernetes-1.34.4", "k8s.io/kubernetes") == "v1.34.4"
    with pytest.raises(CatalogueError, match=r"does not require example\.com/none"):
        gobuild.required_version("kind", "example.com/none")


def test_go_uses_caches_of_the_harness_which_can_be_dropped(tmp_path: Path) -> None:
    store = Store(tmp_path / "cache" / "artifacts", tmp_path / "cache" / "logs")
    environment = gobuild.environment(store)
    for folder in gobuild.caches(store):
        assert folder.is_relative_to(tmp_path / "cache")
        assert str(folder) in environment.values()
        (folder / "github.com" / "a").mkdir(parents=True)
    told: list[str] = []

    gobuild.drop_caches(store, told.append)

    assert told == ["go-modules: 0 of 1 folders are gone", "go-build: 0 of 1 folders are gone"]
    assert not any(folder.exists() for folder in gobuild.caches(store))
    assert "-mod=readonly" in environment["GOFLAGS"]


def test_a_build_that_begins_while_caches_are_removed_has_its_own(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    modules, built = gobuild.caches(store)
    for folder in (modules / "k8s.io" / "api", built / "aa"):
        folder.mkdir(parents=True)

    def begin(line: str) -> None:
        (modules / "k8s.io" / "api").mkdir(parents=True, exist_ok=True)

    gobuild.drop_caches(store, begin)
    assert (modules / "k8s.io" / "api").is_dir()
    assert gobuild.removed_caches(store) == []


def test_what_a_killed_process_did_not_remove_is_removed_by_the_next(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    left = gobuild.caches(store)[0].with_name("removed-go-modules-01234567")
    (left / "k8s.io").mkdir(parents=True)
    gobuild.drop_caches(store)
    assert not left.exists()


def test_the_compiler_collects_garbage_only_when_it_has_grown(tmp_path: Path) -> None:
    environment = gobuild.environment(Store(tmp_path / "artifacts", tmp_path / "logs"))

    # Without a limit a large package would take all the memory of a small machine.
    assert (environment["GOGC"], environment["GOMEMLIMIT"]) == ("off", "1GiB")


def test_without_go_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tmp_path))
    gobuild._go_version.cache_clear()

    with pytest.raises(ToolError, match="Go was not found") as raised:
        gobuild.recipe("kind")

    assert "1.26" in raised.value.next_step


def test_a_build_cache_that_grew_goes_alone_and_never_under_a_build(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")
    modules, built = gobuild.caches(store)
    for folder in (modules, built / "aa", tmp_path / "artifacts" / "go" / "kind-abc.partial"):
        folder.mkdir(parents=True)
    (built / "aa" / "object").write_bytes(b"x" * 1000)

    gobuild.limit_build_cache(store, 500)
    assert built.exists()

    (tmp_path / "artifacts" / "go" / "kind-abc.partial").rmdir()
    gobuild.limit_build_cache(store, 1000)
    assert built.exists()

    gobuild.limit_build_cache(store, 999)
    assert not built.exists()
    assert modules.exists()


def test_no_build_cache_is_within_any_limit(tmp_path: Path) -> None:
    store = Store(tmp_path / "artifacts", tmp_path / "logs")

    gobuild.limit_build_cache(store, 0)

    assert not gobuild.caches(store)[1].exists()


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not on PATH")
def test_go_is_asked_outside_of_the_users_own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Go would download the toolchain that this one asks for, and each folder had artefacts of its own."""
    usual = gobuild.settings_of_go("GOVERSION")
    (tmp_path / "go.mod").write_text("module somebodys\ngo 1.99\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOTOOLCHAIN", "auto")
    monkeypatch.setenv("GOPROXY", "off")

    assert gobuild.settings_of_go("GOVERSION") == usual
