# SPDX-License-Identifier: Apache-2.0
"""Creates Go tool modules: requests a version from the module registry, and has Go resolve its requirements."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import process
from harness.errors import BuildError, CommandError
from harness.foundry import gobuild
from harness.foundry.store import Store

_FETCH_SECONDS = 1200.0
_LICENCE = "Apache-2.0"


@dataclass(frozen=True, kw_only=True)
class Source:
    """A module from the registry.

    `revision` is the commit of its tag, empty if the registry does not report it; `sum` its checksum, as in go.sum.
    """

    folder: Path
    go_mod: Path
    revision: str = ""
    sum: str = ""

    @property
    def godebug(self) -> tuple[str, ...]:
        """Its `godebug` settings, `default=go1.25`; go.mod of whoever requires it must repeat them."""
        return tuple(re.findall(r"^(?:godebug\s+|\t)(\w+=\S+)$", self.go_mod.read_text(), re.M))

    def replaced(self) -> list[tuple[str, str, str]]:
        """Its `replace` lines: path, path in its place, version (empty for a folder)."""
        said = process.call(["go", "mod", "edit", "-json", self.go_mod], timeout=60).stdout
        listed: dict[str, Any] = json.loads(said)
        return [
            (it["Old"]["Path"], it["New"]["Path"], it["New"].get("Version", "")) for it in listed.get("Replace") or ()
        ]


@dataclass(frozen=True, kw_only=True)
class ToolModule:
    """A tool module to write. `replace` are lines `path => path version`; `at` is the tools' version."""

    name: str
    packages: tuple[str, ...]
    at: str
    build: str
    replace: tuple[str, ...] = ()
    godebug: tuple[str, ...] = ()


def download(store: Store, wanted: str, log_file: Path) -> Source:
    """A module at a version, `k8s.io/kubernetes@v1.36.3`. Raises BuildError with the registry's message."""
    done = process.call(
        ["go", "mod", "download", "-json", wanted],
        cwd=store.root.parent if store.root.parent.is_dir() else Path.cwd(),
        env={**gobuild.environment(store), "GOFLAGS": "-modcacherw"},
        timeout=_FETCH_SECONDS,
        log_file=log_file,
        check=False,
    )
    try:
        told = json.loads(done.stdout)
    except json.JSONDecodeError:
        told = {"Error": done.stderr.strip() or f"go exited with status {done.returncode}"}
    if told.get("Error"):
        raise BuildError(
            f"the Go module registry does not provide {wanted}: {told['Error']}",
            "a registry may hold only some versions: try another patch of that minor, or another GOPROXY",
        )
    revision = (told.get("Origin") or {}).get("Hash", "")
    return Source(folder=Path(told["Dir"]), go_mod=Path(told["GoMod"]), revision=revision, sum=told.get("Sum", ""))


def build_file(
    purpose: str, version: str, ldflags: Sequence[str] = (), *, rename: tuple[str, str] | None = None
) -> str:
    """The text of a build.toml. `rename` is the program's name from Go, and its usual name."""
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f"# {purpose}",
        f'version = "{version}"',
        f'licence = "{_LICENCE}"',
    ]
    if ldflags:
        lines += ["ldflags = [", *(f'    "{flag}",' for flag in ldflags), "]"]
    if rename:
        lines += ["", "[rename]", f'{rename[0]} = "{rename[1]}"']
    return "\n".join(lines) + "\n"


def resolve(store: Store, module: ToolModule, folder: Path, log_file: Path) -> Path:
    """Write go.mod, go.sum and build.toml into a new folder. Raises BuildError with Go's message."""
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text(_go_mod(module))
    environment = {**gobuild.environment(store), "GOFLAGS": "-mod=mod -modcacherw", "CGO_ENABLED": "0"}

    def go(*words: str) -> None:
        process.call(["go", *words], cwd=folder, env=environment, timeout=_FETCH_SECONDS, log_file=log_file)

    try:
        go("get", "-tool", *(f"{package}@{module.at}" for package in module.packages))
        # What a build needs must have its sum, so that it is never asked for without a check.
        go("list", "-deps", *module.packages)
    except CommandError as error:
        raise BuildError(
            f"the Go module registry does not provide everything that {module.name} needs: {error.message}",
            f"see {log_file}",
        ) from error
    (folder / "build.toml").write_text(module.build)
    return folder


def _go_mod(module: ToolModule) -> str:
    parts = [
        "module harness.invalid/modules",
        f"go {gobuild.OLDEST_GO}",
        *(f"godebug {setting}" for setting in module.godebug),
    ]
    if module.replace:
        parts.append("\n".join(("replace (", *(f"\t{line}" for line in module.replace), ")")))
    return "\n\n".join(parts) + "\n"
