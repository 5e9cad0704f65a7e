# SPDX-License-Identifier: Apache-2.0
"""Reads and writes a file that somebody names, without waiting for what never comes and without taking in what never
ends.

A name may be that of anything: of a pipe, which is empty after its first reader and has none to read from where nobody
writes, of a device such as /dev/zero, or of a file that no memory has room for.
"""

from __future__ import annotations

import codecs
import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError

MOST = 256 * 2**20
"""Bytes of the largest file that is read as a whole. Settings, values, manifests and reports are far smaller."""

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFIFO: "it is a pipe, which can be read only once",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


class Unfit(OSError):
    """What is no file to read or to write, in words; handled as what the system refuses."""

    def __str__(self) -> str:
        return str(self.strerror)


def why_not(file: Path) -> str:
    """Why something that is there is no regular file, `it is a pipe, …`; empty for one, and for what is not there.

    Raises OSError.
    """
    try:
        return _KINDS.get(stat.S_IFMT(file.stat().st_mode), "")
    except FileNotFoundError:
        return ""


def why_no_folder(path: Path) -> str:
    """Why something that is there is no folder, also through links, `it is a file`; empty for one, and for nothing.

    Raises PermissionError.
    """
    try:
        mode = path.stat().st_mode
    except PermissionError:
        raise
    except OSError:
        return "it is a link that leads nowhere, or to itself" if path.is_symlink() else ""
    if stat.S_ISDIR(mode):
        return ""
    return _KINDS.get(stat.S_IFMT(mode), "it is a file").partition(",")[0]


def there(path: Path) -> bool:
    """Whether something has this name, also a link that leads nowhere. Raises OSError where nobody can tell."""
    try:
        path.lstat()
    except OSError as absent:
        if absent.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            return False
        raise
    return True


def require_own(file: Path, mark: str) -> None:
    """Raise OSError where writing a file would take the place of another one: a regular file that has something in it,
    and not what this harness marks its own with. Something that is no regular file is left to the writer.
    """
    try:
        status = file.stat()
    except FileNotFoundError:
        return
    if stat.S_ISREG(status.st_mode) and status.st_size and mark.encode() not in content(file):
        raise Unfit(errno.EEXIST, "it is there already and was not written by this command", str(file))


def is_own_folder(folder: Path, begins: Mapping[str, str], names: Collection[str] = ()) -> bool:
    """Whether a folder may be replaced: an empty one, or one as this harness writes it: with these files that begin so,
    and besides nothing but these `names`. One that cannot be read may not.
    """
    if folder.is_symlink() or not folder.is_dir():
        return False
    try:
        there = {it.name for it in folder.iterdir()}
        known = there <= {*begins, *names}
        return not there or (
            known and all(content(folder / name).startswith(text.encode()) for name, text in begins.items())
        )
    except OSError:
        return False


@dataclass(frozen=True)
class Tree:
    """What is below a folder, in order: its regular `files`, also those that links lead to; and the `links` that nobody
    follows, to folders and to nothing, each with why, in words. Hidden ones are none of them.
    """

    files: tuple[Path, ...]
    links: tuple[tuple[Path, str], ...] = ()


def tree(folder: Path, unlisted: Callable[[OSError], None] | None = None) -> Tree:
    """All that is below a folder.

    A folder that cannot be listed is told to `unlisted`; otherwise raises OSError for it, which names it: what is in it
    is not absent.
    """
    found = sorted(_entries(folder, unlisted))
    return Tree(tuple(path for path, why in found if not why), tuple(it for it in found if it[1]))


def _entries(folder: Path, unlisted: Callable[[OSError], None] | None) -> Iterator[tuple[Path, str]]:
    """The regular files below a folder, and its links that lead to none, with why."""
    try:
        with os.scandir(folder) as entries:
            for it in entries:
                path = Path(it.path)
                if it.is_dir(follow_symlinks=False):
                    yield from _entries(path, unlisted)
                elif path.is_file():
                    yield path, ""
                elif it.is_symlink() and not it.name.startswith("."):
                    if path.is_dir():
                        yield path, "it is a link to a folder, and these are not followed"
                    elif not path.exists():
                        yield path, "it is a link that leads nowhere"
    except OSError as refused:
        if unlisted is None:
            raise
        unlisted(refused)


def below(folder: Path, unlisted: Callable[[OSError], None] | None = None) -> list[Path]:
    """The files of `tree`, which raises and tells the same."""
    return list(tree(folder, unlisted).files)


def listed(option: str, folder: Path) -> Tree:
    """What is below the folder of an option. Raises UsageError where a folder cannot be listed."""
    try:
        return tree(folder)
    except OSError as refused:
        raise UsageError(
            f"{option} {folder}: {refused.filename or folder} cannot be read: {refused.strerror}",
            "let this user read it, or take it out of the folder",
        ) from refused


def require_file(file: Path, most: int = MOST) -> None:
    """Raise OSError for what does not exist, is no regular file, or is larger than `most` bytes."""
    status = file.stat()
    if not stat.S_ISREG(status.st_mode):
        raise Unfit(errno.EINVAL, _KINDS.get(stat.S_IFMT(status.st_mode), "it is no file"), str(file))
    if status.st_size > most:
        size = f"{status.st_size / 1e6:,.0f} MB, and at most {most / 1e6:,.0f} MB are read"
        raise Unfit(errno.EFBIG, f"it has {size}", str(file))


def content(file: Path, most: int = MOST) -> bytes:
    """The bytes of a regular file. Raises OSError, also for anything else and for one of more than `most` bytes."""
    require_file(file, most)
    # What has taken its place in between is waited for as little.
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
        found = stream.read(most + 1)
    if len(found) > most:
        raise Unfit(errno.EFBIG, f"it has more than {most / 1e6:,.0f} MB", str(file))
    return found


def text(file: Path, *, errors: str = "strict", most: int = MOST) -> str:
    """The text of a regular file in UTF-8, without the mark that editors of Windows put in front, and with the line
    ends of Unix. Raises OSError as `content` does, and UnicodeDecodeError.
    """
    found = content(file, most).removeprefix(codecs.BOM_UTF8).decode("utf-8", errors)
    return found.replace("\r\n", "\n").replace("\r", "\n")


def write(file: Path, text: str, *, append: bool = False) -> None:
    """Write a text where a user wants it, also to /dev/stdout. Raises OSError, also for a pipe that nobody reads."""
    how = os.O_APPEND if append else os.O_TRUNC
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | how, 0o666)
    os.set_blocking(descriptor, True)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
