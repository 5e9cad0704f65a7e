# SPDX-License-Identifier: Apache-2.0
"""Walks a folder and hands out the texts in it that may name the operator's images; everything else is counted."""

from __future__ import annotations

import codecs
import errno
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness import process

_SKIPPED_FOLDERS = frozenset({".git", "node_modules", "vendor", "__pycache__", ".venv", ".nox", ".tox"})
_HISTORY = re.compile(r"(?:CHANGELOG|[Cc]hangelog|CHANGES|HISTORY|RELEASE[-_]?NOTES)[\w.-]*\.(?:md|rst|adoc|txt)")
_FIRST_OF_HISTORY = "CcHR"
_NOTES = re.compile(
    r"(?:^|/)(?:(?:release[-_]?notes?|change[-_]?logs?(?:\.d)?|newsfragments)/.*|releases?/(?:.*/)?v?\d+(?:\.\d+)+[\w.-]*"
    r"|(?:release[-_]?notes?|whats?[-_]?new|changelog)[\w.-]*)\.(?:md|mdx|rst|adoc|txt|html)$"
    r"|(?:^|.*/)releasenotes/notes/.*\.ya?ml$",
    re.I,
)
"""Notes of releases: by their folders, in which each has a file, or by their own names; those of reno are YAML."""
_GIT_SECONDS = 60.0
_LARGEST = 4_000_000
_BINARY_IN = 8000
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)")
_LETTERS = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_TELLING = 4
"""So many letters are rare enough to be looked for."""
_NO_FILES = (errno.ELOOP, errno.ENXIO, errno.ENODEV)
"""What the system says of links that lead to themselves, sockets, and devices that are not there."""
_ENCODED = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


@dataclass(kw_only=True)
class Walked:
    """What a walk has done so far: texts that were read, changelogs that were skipped, and what was not read, by kind.

    A kind is the ending of a name with the reason, as in `.png (binary)`. `refused` are files and folders that may be
    texts, or have some, and that the system lets nobody read who is as this process.
    """

    files: int = 0
    left_out: list[str] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    def note(self, name: str, kind: str, error: OSError) -> None:
        """Count a file or a folder that could not be read."""
        self.unread[f"{kind} ({error.strerror or 'unreadable'})"] += 1
        if error.errno not in _NO_FILES:
            self.refused.append(name)


def texts(folder: Path, needles: Sequence[bytes], walked: Walked, *, histories: bool) -> Iterator[tuple[str, str]]:
    """Each text with one of the needles in it, with its name below the folder; `walked` is told of all the others.

    Files that Git ignores, and folders of dependencies, are not walked through. Changelogs are left out, and notes of
    releases that have a needle in them.
    """
    is_folder = folder.is_dir()
    base = os.fspath(folder)
    names = _names(folder, walked) if is_folder else [folder.name]
    left_out = is_folder and not histories
    rare = _rare(needles)
    for name in names:
        # In a large tree, each thing that is done to every file counts.
        last = name.rpartition("/")[2]
        if left_out and last[:1] in _FIRST_OF_HISTORY and _HISTORY.fullmatch(last):
            walked.left_out.append(name)
            continue
        content = _content(f"{base}/{name}" if is_folder else base, name, walked)
        if content is None:
            if not is_folder and not walked.refused:
                # What somebody names is asked for, whatever it is.
                walked.refused.append(name)
            continue
        walked.files += 1
        for one in rare:
            if one in content:
                if not any(needle in content for needle in needles):
                    pass
                elif left_out and _NOTES.search(name):
                    walked.left_out.append(name)
                else:
                    yield name, decoded(content)[0]
                break


def _rare(needles: Sequence[bytes]) -> tuple[bytes, ...]:
    """As few texts as may be, of which each needle has one in it: most files have none of them."""
    left, found = list(needles), []
    while left:
        first = left[0]
        parts = (first[at : at + _TELLING] for at in range(max(1, len(first) - _TELLING + 1)))
        part = max(parts, key=lambda it: sum(it in needle for needle in left))
        held = [needle for needle in left if part in needle]
        # A longer text is found faster.
        found.append(part if held[1:] else first)
        left = [needle for needle in left if needle not in held]
    return tuple(found)


def decoded(content: bytes) -> tuple[str, Callable[[str], bytes]]:
    """The text of a file, and what makes bytes of such a text again: byte for byte, whatever is in it."""
    # Without zeros, or cut off within a character, it is no text in UTF-16, whatever it begins with.
    is_wide = content.find(b"\0", 0, _BINARY_IN) >= 0 and len(content) % 2 == 0
    encoding = _ENCODED.get(content[:2]) if is_wide else None
    mark = content[:2] if encoding else codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
    codec = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}.get(mark, "utf-8")
    errors = "surrogateescape" if codec == "utf-8" else "surrogatepass"
    return content[len(mark) :].decode(codec, errors), lambda text: mark + text.encode(codec, errors)


def _content(path: str, name: str, walked: Walked) -> bytes | None:
    """What a file has; None for what is no text, and for what the system does not let anybody read, both counted."""
    unread = walked.unread
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        # A link to nothing, or a file that Git knows and that was deleted.
        return None
    except OSError as refused:
        walked.note(name, _ending(name), refused)
        return None
    try:
        status = os.fstat(descriptor)
        if stat.S_ISDIR(status.st_mode) and not os.path.islink(path):  # noqa: PTH114 - a text is at hand
            # Git lists a submodule, or a checkout within another, as if it were a file.
            unread["nested checkout (another repository)"] += 1
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        if status.st_size > _LARGEST:
            unread[_kind(name, "larger than 4 MB")] += 1
            return None
        content = os.read(descriptor, status.st_size + 1)
    except OSError as refused:
        walked.note(name, _ending(name), refused)
        return None
    finally:
        os.close(descriptor)
    if content.find(b"\0", 0, _BINARY_IN) >= 0:
        encoding = _ENCODED.get(content[:2])
        if encoding:
            return content.decode(encoding, errors="replace").encode(errors="replace")
        unread[_kind(name, "binary")] += 1
        return None
    return content


def _kind(name: str, why: str) -> str:
    return f"{_ending(name)} ({why})"


def _ending(name: str) -> str:
    last = name.rpartition("/")[2]
    ending = os.path.splitext(last)[1].lower()  # noqa: PTH122 - a Path for each file of a large tree costs seconds
    return ending or "without an ending"


def _names(folder: Path, walked: Walked) -> Iterator[str]:
    known = _known_to_git(folder)
    return iter(known) if known is not None else _below(os.fspath(folder), "", walked)


def _below(base: str, above: str, walked: Walked) -> Iterator[str]:
    """The names of all files below a folder, sorted within each; links to folders are not followed."""
    try:
        with os.scandir(f"{base}/{above}" if above else base) as entries:
            found = sorted((it.name, it.is_dir(follow_symlinks=False)) for it in entries)
    except FileNotFoundError:
        return
    except OSError as refused:
        walked.note(above or base, "folder", refused)
        return
    for name, is_folder in found:
        if is_folder and name not in _SKIPPED_FOLDERS:
            yield from _below(base, f"{above}{name}/", walked)
        elif not is_folder:
            yield f"{above}{name}"


def _known_to_git(folder: Path) -> list[str] | None:
    """The files of a checkout that Git does not ignore; None without Git, or outside a checkout."""
    if not _in_a_checkout(folder) or shutil.which("git") is None:
        return None
    listed = process.call(
        ["git", "-C", folder, "-c", "core.quotePath=true", "ls-files", "--cached", "--others", "--exclude-standard"],
        timeout=_GIT_SECONDS,
        check=False,
    )
    if listed.returncode != 0:
        return None
    names = sorted({_unquoted(it) for it in listed.stdout.split("\n") if it})
    return [name for name in names if not _SKIPPED_FOLDERS.intersection(name.split("/")[:-1])] or None


def _in_a_checkout(folder: Path) -> bool:
    """Whether Git may know the folder: to ask it takes longer than to read a small folder."""
    there = folder.resolve()
    # A folder above that nobody may look into is none of a checkout's, and Path.exists would raise.
    return "GIT_DIR" in os.environ or any(os.path.exists(it / ".git") for it in (there, *there.parents))  # noqa: PTH110


def _unquoted(name: str) -> str:
    """A name as Git quotes it, like a string of C, where it is not of plain letters (git-config, core.quotePath)."""
    if not name.startswith('"'):
        return name
    return os.fsdecode(_ESCAPED.sub(lambda it: _byte(it[1]), name[1:-1].encode()))


def _byte(escaped: bytes) -> bytes:
    return bytes([int(escaped, 8)]) if len(escaped) == 3 else _LETTERS.get(escaped, escaped)
