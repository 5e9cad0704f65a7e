# SPDX-License-Identifier: Apache-2.0
"""Which files below the folder of --apps are read: each once, and none that is hidden."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness import named_files
from harness.apps import kustomize
from harness.releases.manifests import SUFFIXES, why_no_suffix

_HIDDEN = "it is hidden; where it is meant, give its folder as --apps"


@dataclass(frozen=True, kw_only=True)
class Passed:
    """A file or a folder that is not read, by its path below the folder of --apps; `what` it is, and why."""

    path: str
    what: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Listed:
    """The `files` that may be manifests, in order; what is `passed` over though it might have had some; and the patches
    of Kustomize among all of them, with their paths resolved."""

    files: tuple[Path, ...]
    passed: tuple[Passed, ...]
    patches: frozenset[Path]


def manifests(folder: Path) -> Listed:
    """What is below the folder. Raises UsageError where something cannot be listed."""
    files: dict[Path, Path] = {}
    tree = named_files.listed("--apps", folder)
    passed = list(_links(folder, tree.links))
    for it in tree.files:
        shown = it.relative_to(folder)
        if why := why_no_suffix(it):
            passed.append(Passed(path=str(shown), what="the file", why=why))
        if it.suffix not in SUFFIXES:
            continue
        if any(part.startswith(".") for part in shown.parts):
            passed.append(Passed(path=str(shown), what="the file", why=_HIDDEN))
        elif (first := files.setdefault(it.resolve(), it)) is not it:
            why = f"it is the same file as {first.relative_to(folder)}"
            passed.append(Passed(path=str(shown), what="the link", why=why))
    return Listed(files=tuple(files.values()), passed=tuple(passed), patches=kustomize.patches(tree.files))


def _links(folder: Path, links: Iterable[tuple[Path, str]]) -> Iterator[Passed]:
    """Links to folders, which nobody follows, and links to nothing."""
    for path, why in links:
        if path.is_dir() or path.suffix in SUFFIXES:
            what = "the folder" if path.is_dir() else "the file"
            yield Passed(path=str(path.relative_to(folder)), what=what, why=why)
