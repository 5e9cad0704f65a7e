# SPDX-License-Identifier: Apache-2.0
"""The Go modules that are linked into stored programs, and the newest versions that the module proxy offers.

This says how old something is and which of its packages have code in the program, not whether it is vulnerable:
govulncheck needs Go's vulnerability database, which has a host of its own that a machine without the internet cannot
reach (docs/dependencies.md, "What is not known").
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from harness import process
from harness.errors import UsageError
from harness.foundry import gobuild
from harness.foundry.store import Artifact, Store
from harness.foundry.supply import describe
from harness.matrix.names import unknown
from harness.wording import counted, first_few

_SECONDS = 600.0
_DAY = 86400.0
_SHOWN = 6
# A source file in the function table, which a program has without its symbols, too; with -trimpath, its name is
# <module>@<version>/<package>/<file> (src/cmd/link/internal/ld/pcln.go).
_SOURCE = re.compile(rb"(?<=\0)([\w.~/-]+)@v[^/\0]+/((?:[\w.~-]+/)*)[^/\0]+\.(?:go|s)(?=\0)")


@dataclass(frozen=True, kw_only=True)
class LinkedModule:
    """A module in a program. `newest` is what the proxy offers, empty where it does not say.

    Both dates are those of the versions, if known. `packages` are those of which there is code in a program, by their
    paths in the module: the linker leaves out what nothing in the program can call.
    """

    path: str
    version: str
    newest: str
    made: datetime | None
    newest_made: datetime | None
    packages: tuple[str, ...] = ()

    @property
    def outdated(self) -> bool:
        """Whether there is a newer version."""
        return bool(self.newest) and self.newest != self.version


def tables(store: Store, modules: Sequence[str], now: datetime | None = None) -> Iterator[Table]:
    """For each Go tool module, all stored ones when none is named: what of it has a newer version.

    Raises UsageError for a module that there is not or that is not stored, CommandError when Go fails.
    """
    stored = {it.name: it for it in store.artifacts() if it.kind == "go"}
    for name in modules:
        if name not in gobuild.modules():
            raise unknown("Go tool module", name, gobuild.modules())
        if name not in stored:
            raise UsageError(f"the programs of {name} are not stored", "`harness foundry list` shows what is")
    for name in modules or sorted(set(stored) & set(gobuild.modules())):
        yield _table(stored[name], linked(store, stored[name]), now or datetime.now(UTC))


def linked(store: Store, artifact: Artifact) -> list[LinkedModule]:
    """The modules in an artefact's programs, each with its newest version. Raises CommandError when Go fails."""
    found = [it for it in describe.note(artifact.folder).components if it.h1]
    if not found:
        return []
    paths = sorted({"/".join(filter(None, (it.group, it.name))) for it in found})
    done = process.call(
        # A proxy may refuse the list of one module's versions, and have those of all others.
        ["go", "list", "-m", "-u", "-e", "-json", *paths],
        cwd=gobuild.MODULES / artifact.name,
        env=gobuild.environment(store),
        timeout=_SECONDS,
    )
    known = {it["Path"]: it for it in _documents(done.stdout)}
    versions = {"/".join(filter(None, (it.group, it.name))): it.version for it in found}
    code = packages(sorted((artifact.folder / "bin").iterdir()))
    return [_linked(path, versions[path], known.get(path, {}), code.get(path, ())) for path in paths]


def packages(programs: Sequence[Path]) -> Mapping[str, tuple[str, ...]]:
    """Of each module, the packages that have code in these Go programs; `.` is the one at its root."""
    found: dict[str, set[str]] = {}
    for program in programs:
        for module, package in _SOURCE.findall(program.read_bytes()):
            found.setdefault(module.decode(), set()).add(package.decode().rstrip("/") or ".")
    return {module: tuple(sorted(names)) for module, names in found.items()}


def _linked(path: str, version: str, known: dict[str, Any], code: tuple[str, ...] = ()) -> LinkedModule:
    update = known.get("Update", {})
    # The program may be older than what go.mod requires by now.
    required = known.get("Version", "") if "Error" not in known else ""
    return LinkedModule(
        path=path,
        version=version,
        newest=update.get("Version", required),
        made=_moment(known.get("Time") if known.get("Version") == version else None),
        newest_made=_moment(update.get("Time", known.get("Time"))),
        packages=code,
    )


def _documents(text: str) -> Iterator[dict[str, Any]]:
    """JSON documents, one behind the other, as `go list -json` prints them."""
    decoder = json.JSONDecoder()
    rest = text.strip()
    while rest:
        document, end = decoder.raw_decode(rest)
        yield document
        rest = rest[end:].strip()


def _moment(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp) if stamp else None


def _table(artifact: Artifact, found: Sequence[LinkedModule], now: datetime) -> Table:
    old = [it for it in found if it.outdated]
    silent = [it for it in found if not it.newest]
    counts = f"{counted(len(found), 'module')}, {len(old)} with a newer version, {len(silent)} not known to the proxy"
    shown = Table(title=f"{artifact.name}: {counts}", title_justify="left")
    for title in ("module", "linked", "days old", "newest", "days old", "code of"):
        shown.add_column(title, overflow="fold")
    for it in (*old, *silent):
        newest = (it.newest, _age(it.newest_made, now)) if it.newest else ("not known", "")
        shown.add_row(it.path, it.version, _age(it.made, now), *newest, first_few(it.packages, _SHOWN) or "nothing")
    return shown


def _age(made: datetime | None, now: datetime) -> str:
    return str(int((now - made).total_seconds() // _DAY)) if made else ""
