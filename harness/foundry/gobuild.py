# SPDX-License-Identifier: Apache-2.0
"""Go programs from pinned tool modules: clusters/nodes/modules/<module>/ holds go.mod, go.sum and build.toml.

A module whose `tool` line names its own path holds the program's source, too.

The module and build caches are in the harness's own cache folder, so that they can be removed once every artefact is
stored, and the user's own Go caches are not touched.
"""

from __future__ import annotations

import functools
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness import process
from harness.errors import BuildError, CatalogueError, ToolError
from harness.foundry.assemble import foreign
from harness.foundry.store import Artifact, Recipe, Store
from harness.host.steps import Progress
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

MODULES = PROJECT_ROOT / "clusters" / "nodes" / "modules"

OLDEST_GO = "1.26.0"
"""The oldest Go that builds the tool modules: what the least of them asks for in its go.mod."""

NEEDED_GO = f"Go {OLDEST_GO.rpartition('.')[0]} or newer"
"""The same in words."""

_DOWNLOAD_SECONDS = 1200.0
_BUILD_SECONDS = 3600.0
_REMOVED = "removed-"


class BuildFile(BaseModel):
    """build.toml: how the programs of a tool module are built.

    `version` is the upstream version without `v`; `{version}` in `ldflags` stands for it. `rename` maps the name that
    `go build` gives to the name that people know.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    licence: str
    ldflags: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cgo: bool = False
    rename: dict[str, str] = Field(default_factory=dict)


def modules() -> list[str]:
    """The names of all tool modules."""
    return sorted(path.parent.name for path in MODULES.glob("*/build.toml"))


def build_file(module: str) -> BuildFile:
    """The build.toml of a module. Raises CatalogueError when there is none or it is wrong."""
    path = MODULES / module / "build.toml"
    if not path.is_file():
        raise CatalogueError(
            f"there is no Go tool module {module!r}: {path} does not exist", f"the modules are: {', '.join(modules())}"
        )
    return TomlSource.read(path).validated(BuildFile)


def packages(module: str) -> list[str]:
    """The packages that the module's `tool` lines name."""
    text = (MODULES / module / "go.mod").read_text()
    block = re.search(r"^tool \((.*?)^\)", text, re.M | re.S)
    lines = block.group(1).split() if block else re.findall(r"^tool (\S+)", text, re.M)
    return [line for line in lines if line]


def required_version(module: str, path: str) -> str:
    """The version of a required Go module, `v2.5.2`. Raises CatalogueError when it is not required."""
    text = (MODULES / module / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(path)} (v\S+)", text, re.M)
    if not found:
        raise CatalogueError(f"{MODULES / module / 'go.mod'} does not require {path}", "add the requirement")
    return found.group(1)


def recipe(module: str, programs: Sequence[str] | None = None, goarch: str = "") -> Recipe:
    """What the programs of a module depend on. `programs` (names after renaming) limits what is built, `goarch` names
    another architecture than this machine's.
    """
    build_file(module)
    more = {"go": _go_version()}
    if programs:
        more["programs"] = " ".join(sorted(programs))
    more |= foreign(goarch)
    return _recipe(module, _sources(MODULES / module), tuple(more.items()))


_Source = tuple[str, str, int, int]
"""A file of a module: its name in there, its path, its size in bytes, and when it was written (nanoseconds)."""


def _sources(folder: Path, prefix: str = "") -> tuple[_Source, ...]:
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda it: it.name)
    sources: list[_Source] = []
    for it in entries:
        if it.is_dir():
            sources += _sources(Path(it.path), f"{prefix}{it.name}/")
        elif it.is_file() and not it.name.endswith("_test.go"):
            state = it.stat()
            sources.append((f"{prefix}{it.name}", it.path, state.st_size, state.st_mtime_ns))
    return tuple(sources)


@functools.lru_cache(maxsize=256)
def _recipe(module: str, sources: tuple[_Source, ...], more: tuple[tuple[str, str], ...]) -> Recipe:
    """The recipe, whose key is worked out once: each node and image asks for the keys of the same modules."""
    inputs = {name: Path(path).read_text() for name, path, *_ in sources}
    return Recipe(kind="go", name=module, inputs=inputs | dict(more))


def build(store: Store, module: str, programs: Sequence[str] | None = None, goarch: str = "") -> Artifact:
    """The programs of a module as `<folder>/bin/<program>`, for this machine or another architecture.

    A stored build of all programs also serves requests for some of them. Raises BuildError that names the log.
    """
    whole = store.get(recipe(module, goarch=goarch))
    if whole:
        return whole
    settings = build_file(module)
    if settings.cgo and foreign(goarch):
        raise BuildError(f"{module} needs a C compiler for {goarch}", "build it on such a machine")
    wanted = [package for package in packages(module) if not programs or _program(package, settings) in programs]

    def make(folder: Path, log_file: Path) -> None:
        source = folder / "module"
        _copy(MODULES / module, source)
        flags = " ".join(("-s -w", *settings.ldflags)).replace("{version}", settings.version)
        argv = ["go", "build", "-trimpath", "-gcflags=all=-dwarf=false", f"-ldflags={flags}"]
        if settings.tags:
            argv.append(f"-tags={','.join(settings.tags)}")
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        process.call(
            [*argv, "-o", f"{bin_folder}/", *wanted],
            cwd=source,
            env={
                **environment(store),
                "CGO_ENABLED": "1" if settings.cgo else "0",
                **({"GOARCH": goarch} if goarch else {}),
            },
            timeout=_BUILD_SECONDS,
            log_file=log_file,
        )
        for built, known in settings.rename.items():
            if (bin_folder / built).exists():
                (bin_folder / built).rename(bin_folder / known)
        shutil.rmtree(source)

    return store.build(recipe(module, programs, goarch), make)


def module_folder(store: Store, module: str, path: str, log_file: Path) -> Path:
    """The source folder of a required Go module (read-only, in the module cache); its sum is checked against go.sum."""
    version = required_version(module, path)
    with tempfile.TemporaryDirectory() as work:
        _copy(MODULES / module, Path(work))
        process.call(
            ["go", "mod", "download", path],
            cwd=Path(work),
            env=environment(store),
            timeout=_DOWNLOAD_SECONDS,
            log_file=log_file,
        )
    escaped = re.sub(r"[A-Z]", lambda letter: "!" + letter.group(0).lower(), path)
    return caches(store)[0] / f"{escaped}@{version}"


def _copy(module: Path, folder: Path) -> None:
    """Copy a module to where Go may write beside it: an installation's own files may be read-only."""
    for file in module.rglob("*"):
        if file.is_file():
            target = folder / file.relative_to(module)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def caches(store: Store) -> tuple[Path, Path]:
    """The module cache and the build cache."""
    work = store.root.parent / "work"
    return work / "go-modules", work / "go-build"


def environment(store: Store) -> dict[str, str]:
    """Environment variables for a Go command that uses the harness's own caches."""
    module_cache, build_cache = caches(store)
    return {
        "GOMODCACHE": str(module_cache),
        "GOCACHE": str(build_cache),
        "GOFLAGS": "-mod=readonly -buildvcs=false -modcacherw",
        "GOWORK": "off",
        # The compiler itself is a Go program that spends nearly a third of its time on garbage collection. Most of its
        # processes are short and can do without; those that grow collect from this limit on (package runtime).
        "GOGC": "off",
        "GOMEMLIMIT": "1GiB",
    }


def limit_build_cache(store: Store, limit: int) -> None:
    """Remove the build cache alone when it has more bytes than `limit`, unless a Go program is being built.

    What is in it makes the next program faster, but one Kubernetes version fills four gigabytes.
    """
    folder = caches(store)[1]
    if any(store.root.glob("go/*.partial")):
        return
    if sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) > limit:
        _set_aside(folder)
        for removed in removed_caches(store):
            shutil.rmtree(removed, ignore_errors=True)


def drop_caches(store: Store, progress: Progress = lambda line: None) -> None:
    """Remove both caches; every artefact that they served is stored."""
    for folder in caches(store):
        _set_aside(folder)
    for folder in removed_caches(store):
        parts = sorted(folder.iterdir())
        for number, part in enumerate(parts):
            progress(f"{folder.name.removeprefix(_REMOVED)[:-9]}: {number} of {len(parts)} folders are gone")
            shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)


def _set_aside(folder: Path) -> None:
    """Give a cache another name: to remove it takes minutes, in which a build may begin that needs one of its own."""
    if folder.is_dir():
        folder.rename(folder.with_name(f"{_REMOVED}{folder.name}-{secrets.token_hex(4)}"))


def removed_caches(store: Store) -> list[Path]:
    """Caches that somebody is removing, or was when the process was ended."""
    return sorted(caches(store)[0].parent.glob(f"{_REMOVED}*"), reverse=True)


def _program(package: str, settings: BuildFile) -> str:
    parts = package.split("/")
    name = parts[-2] if re.fullmatch(r"v\d+", parts[-1]) else parts[-1]
    return settings.rename.get(name, name)


def go_version() -> str:
    """The version of Go that builds, `go1.26.8`. Raises ToolError without Go."""
    return _go_version()


@functools.cache
def _go_version() -> str:
    if shutil.which("go") is None:
        raise ToolError("Go was not found; it is needed to build kind, Helm and Kubernetes", f"install {NEEDED_GO}")
    return settings_of_go("GOVERSION")[0]


def settings_of_go(*names: str) -> list[str]:
    """Values of `go env`. Raises CommandError.

    They are those outside of any module: in a folder with a go.mod, Go downloads and becomes the toolchain that this
    asks for, or fails where it cannot.
    """
    words = ["go", "env", *names]
    return process.call(words, cwd=Path("/"), env={"GOWORK": "off"}, timeout=60).stdout.splitlines()
