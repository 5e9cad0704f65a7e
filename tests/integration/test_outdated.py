# SPDX-License-Identifier: Apache-2.0
"""What is linked into a program and what is newer, with the real Go command and a module registry made of files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from module_registry import ENVIRONMENT, publish
from rich.console import Console

from harness import process
from harness.errors import UsageError
from harness.foundry import gobuild, outdated
from harness.foundry.store import Store
from harness.foundry.supply import describe

_OLD, _NEW = "v1.0.0", "v1.1.0"
_PROGRAM = """package main

import (
	"example.invalid/part"
	"example.invalid/part/called"
	"example.invalid/part/imported"
)

func main() { println(part.Name, called.Do(), imported.Name) }
"""
_PART = {
    "part.go": 'package part\n\nconst Name = "part"\n',
    "called/called.go": "package called\n\n//go:noinline\nfunc Do() int { return 1 }\n",
    # Of this package, the program has a constant and none of the code.
    "imported/imported.go": 'package imported\n\nconst Name = "x"\n\n//go:noinline\nfunc Do() int { return 2 }\n',
    "other/other.go": "package other\n\n//go:noinline\nfunc Do() int { return 3 }\n",
}


@pytest.fixture
def store(tmp_path: Path, go_build_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store in which the program of a tool module is built; its part has a newer version since."""
    registry, modules = tmp_path / "registry", tmp_path / "modules"
    publish(registry, "example.invalid/part", _OLD, "go 1.24\n", _PART)
    requirement = f"go 1.24\n\nrequire example.invalid/part {_OLD}\n"
    publish(registry, "example.invalid/tool", _OLD, requirement, {"main.go": _PROGRAM})
    folder = modules / "tool"
    folder.mkdir(parents=True)
    (folder / "build.toml").write_text('version = "1.0.0"\nlicence = "Apache-2.0"\n')
    (folder / "go.mod").write_text("module harness.invalid/modules\n\ngo 1.24\n")
    for name, value in {**ENVIRONMENT, "GOPROXY": registry.as_uri(), "GOFLAGS": "-mod=mod"}.items():
        monkeypatch.setenv(name, value)
    made = Store(tmp_path / "cache" / "artifacts", tmp_path / "logs")
    environment = {**gobuild.environment(made), "GOFLAGS": "-mod=mod -modcacherw", "GOCACHE": str(go_build_cache)}
    process.call(["go", "get", "-tool", f"example.invalid/tool@{_OLD}"], cwd=folder, env=environment, timeout=120)
    monkeypatch.setattr(gobuild, "MODULES", modules)
    monkeypatch.setattr(gobuild, "caches", lambda store: (made.root.parent / "work" / "go-modules", go_build_cache))
    gobuild.build(made, "tool")
    for version in (_OLD, _NEW):
        publish(registry, "example.invalid/part", version, "go 1.24\n", _PART)
    (registry / "example.invalid/part/@v/list").write_text(f"{_OLD}\n{_NEW}\n")
    return made


def test_the_modules_of_a_program_are_in_its_bill_of_materials(store: Store) -> None:
    (artifact,) = store.artifacts()

    document = json.loads((artifact.folder / "sbom.cdx.json").read_text())

    found = {it["purl"]: it for it in document["components"]}
    assert {f"pkg:golang/example.invalid/part@{_OLD}", f"pkg:golang/example.invalid/tool@{_OLD}"} <= set(found)
    (sum_note,) = [
        it["value"]
        for it in found[f"pkg:golang/example.invalid/part@{_OLD}"]["properties"]
        if it["name"].endswith("go.sum")
    ]
    assert f"example.invalid/part {_OLD} {sum_note}" in (gobuild.MODULES / "tool" / "go.sum").read_text()
    assert describe.note(artifact.folder).subjects[0].name == "bin/tool"


def test_a_module_with_a_newer_version_is_listed(store: Store) -> None:
    console = Console(width=120)
    with console.capture() as shown:
        for table in outdated.tables(store, ["tool"]):
            console.print(table)

    text = shown.get()
    assert "tool: 2 modules, 1 with a newer version, 0 not known to the proxy" in " ".join(text.split())
    (row,) = [line for line in text.splitlines() if "example.invalid/part" in line]
    assert _OLD in row
    assert _NEW in row
    assert "called" in row
    assert "imported" not in row


def test_of_a_module_only_those_packages_are_named_that_have_code_in_the_program(store: Store) -> None:
    (artifact,) = store.artifacts()

    found = {it.path: it.packages for it in outdated.linked(store, artifact)}

    assert found == {"example.invalid/part": ("called",), "example.invalid/tool": (".",)}


def test_a_proxy_that_refuses_one_module_says_nothing_of_it() -> None:
    refused = {"Version": _OLD, "Error": {"Err": "reading …/@v/list: 403 Forbidden"}}

    found = outdated._linked("example.invalid/part", _OLD, refused)

    assert (found.newest, found.outdated) == ("", False)


def test_a_program_that_is_older_than_its_go_mod_is_outdated() -> None:
    found = outdated._linked("example.invalid/part", _OLD, {"Version": _NEW, "Time": "2026-01-01T00:00:00Z"})

    assert (found.newest, found.outdated, found.made) == (_NEW, True, None)


def test_a_module_that_is_not_there_is_named(store: Store) -> None:
    with pytest.raises(UsageError, match="toul"):
        list(outdated.tables(store, ["toul"]))
