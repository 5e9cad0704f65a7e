# SPDX-License-Identifier: Apache-2.0
"""Which files below the folder of --apps are read: each once, and none that is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import named_files
from harness.releases.manifests import SUFFIXES

_HIDDEN = "it is hidden; where it is meant, give its folder as --apps"


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A file or a folder that is not read, by its path below the folder of --apps; `what` it is, and why."""

    path: str
    what: str
    why: str


def manifests(folder: Path) -> tuple[list[Path], list[Passed]]:
    """The files that may be manifests, in order, and what is passed over though it might have had some.

    Raises UsageError where something cannot be listed.
    """
    files: dict[Path, Path] = {}
    passed = list(_links(folder))
    for it in named_files.listed("--apps", folder):
        shown = it.relative_to(folder)
        if it.suffix not in SUFFIXES:
            continue
        if any(part.startswith(".") for part in shown.parts):
            passed.append(Passed(path=str(shown), what="the file", why=_HIDDEN))
        elif (first := files.setdefault(it.resolve(), it)) is not it:
            why = f"it is the same file as {first.relative_to(folder)}"
            passed.append(Passed(path=str(shown), what="the link", why=why))
    return list(files.values()), passed


def _links(folder: Path) -> Iterator[Passed]:
    """Links to folders, which nobody follows, and links to nothing."""
    for path, why in named_files.links(folder):
        if path.is_dir() or path.suffix in SUFFIXES:
            what = "the folder" if path.is_dir() else "the file"
            yield Passed(path=str(path.relative_to(folder)), what=what, why=why)
