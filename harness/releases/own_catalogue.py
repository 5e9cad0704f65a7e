# SPDX-License-Identifier: Apache-2.0
"""A user's catalogue folders, checked as a whole when they are read: also what only some commands ever use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from harness.errors import CatalogueError, HarnessError
from harness.matrix import catalogue, own_rows
from harness.matrix.own_rows import REGISTRIES, OwnRows
from harness.releases import namespaces
from harness.releases.values import load_values


def read(folders: Iterable[Path]) -> OwnRows:
    """The rows of these folders. Raises one CatalogueError for all that is wrong in them: each with file, line and key.

    What depends on other files, such as an edge between releases, is told where these files are right on their own.
    """
    own = own_rows.read(folders)
    wrong = list(_wrong(own))
    if wrong:
        steps = "; ".join(dict.fromkeys(it.next_step for it in wrong))
        raise CatalogueError("\n".join(dict.fromkeys(it.message for it in wrong)), steps)
    return own


def _wrong(own: OwnRows) -> Iterator[HarnessError]:
    """What is wrong in files on their own, and then in the rows of the matrix, which stop at the first mistake."""
    found = list(filter(None, (_failure(check) for check in _checks(own))))
    yield from found
    # Who asked for the rows reads them next, so that alone they need not be read here.
    if found and (refused := _failure(lambda: catalogue.load(own=own))):
        yield refused


def _checks(own: OwnRows) -> Iterator[Callable[[], object]]:
    for sources in own.files.values():
        yield from ((lambda it=source: it.data) for source in sources)
    if REGISTRIES in own.files:
        from harness.registries.front import profile

        yield lambda: profile.profiles(own=own)
    if "pull-messages" in own.files:
        from harness.kube import pull_messages

        yield lambda: pull_messages.checked(own)
    for files in own.values.values():
        yield from ((lambda it=file: _profile(it)) for file in files)


def _profile(file: Path) -> None:
    try:
        namespaces.of_values(load_values(file))
    except HarnessError as wrong:
        told = wrong.message if str(file) in wrong.message else f"{file}: {wrong.message}"
        raise CatalogueError(told, f"correct that file: it is the values profile {file.stem}") from wrong


def _failure(check: Callable[[], object]) -> HarnessError | None:
    try:
        check()
    except HarnessError as wrong:
        return wrong
    return None
