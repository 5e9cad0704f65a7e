# SPDX-License-Identifier: Apache-2.0
"""What an untrusted file may name: identifiers by type, paths that stay in their folder, bounded archives.

Locks, reports, evidence and image archives are handed from one machine to another. Nothing in them decides where
this machine writes or what it reads.
"""

from __future__ import annotations

import errno
import json
import posixpath
import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, AnyStr

import yaml
from pydantic import AfterValidator, ValidationError

from harness import libyaml, named_files
from harness.errors import DiskError, UsageError

if not TYPE_CHECKING and not hasattr(tarfile, "data_filter"):
    # Python has filters since 3.11.4; Debian 12 has 3.11.2.
    from backports import tarfile

__all__ = ["tarfile"]
"""What unpacks archives imports this `tarfile`, which has filters with every Python."""

MEBIBYTE = 2**20

_PACKED = {
    b"\x28\xb5\x2f\xfd": "it is packed with zstd: unpack it first (zstd -d)",
    b"\x04\x22\x6d\x18": "it is packed with LZ4: unpack it first (lz4 -d)",
    b"pk\x03\x04": "it is a zip file, which no tool writes images into: unpack it first (unzip)",
    b"<!doctype html": "it is a web page, as where a download wants a login",
    b"<html": "it is a web page, as where a download wants a login",
    b"version https://git-lfs": "it is the pointer to a file that Git LFS keeps: git lfs pull",
}
"""First bytes, in lower case → what is told (RFC 8878, 3.1.1; the LZ4 frame format; PKZIP's APPNOTE, 4.3.7)."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
RUN_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{4}")
"""The form of a run id: `harness.evidence.ledger.new_run_id` makes them."""
SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@:+=,~-]{0,199}")
"""A part of a cell's id, which is also the name of a folder: file systems take 255 bytes, and suffixes come to it."""

_NEXT = "use the file unmodified, as the harness wrote it; do not use files from people you do not trust"


_LONGEST_PATH = 4096
"""Bytes, as Linux takes them (limits.h, PATH_MAX)."""
_DEEPEST_PATH = 256
"""Folders in one another; Python's tarfile makes each by a call within the last."""

_YAML_DEPTH = 200
_YAML_NODES = 1_000_000
"""Once every alias is replaced by what it stands for. Helm has such a limit, too (yaml.v3, `allowedAliasRatio`)."""


class UnfitYaml(yaml.MarkedYAMLError):
    """YAML that is well formed, but is not a tree of a size that anybody writes."""


def check_yaml(text: AnyStr) -> AnyStr:
    """Return a YAML text unchanged. Raises yaml.YAMLError where it is not valid, and UnfitYaml, which is one, for

    an alias of what it stands in, for nesting without end, and for aliases that stand for more than there is room for.
    """
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    for event in yaml.parse(text, Loader=libyaml.Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            sizes, open_nodes = {}, [(None, 0)]
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, 1))
            if len(open_nodes) > _YAML_DEPTH:
                raise _unfit(f"it is nested more than {_YAML_DEPTH} deep", event)
        elif isinstance(event, yaml.CollectionEndEvent | yaml.ScalarEvent | yaml.AliasEvent):
            _count(event, sizes, open_nodes)
    return text


def _count(event: Any, sizes: dict[str, int], open_nodes: list[tuple[str | None, int]]) -> None:
    """Add a node that has ended to the one that it stands in."""
    anchor, size = event.anchor if not isinstance(event, yaml.CollectionEndEvent) else None, 1
    if isinstance(event, yaml.AliasEvent):
        if any(anchor == it for it, _ in open_nodes):
            raise _unfit(f"{anchor!r} refers to itself", event)
        anchor, size = None, sizes.get(str(event.anchor), 1)
    elif isinstance(event, yaml.CollectionEndEvent):
        anchor, size = open_nodes.pop()
    if anchor:
        sizes[anchor] = size
    around, before = open_nodes[-1]
    if before + size > _YAML_NODES:
        raise _unfit(f"its aliases stand for more than {_YAML_NODES} values", event)
    open_nodes[-1] = (around, before + size)


def _unfit(problem: str, event: Any) -> UnfitYaml:
    return UnfitYaml(problem=problem, problem_mark=event.start_mark)


def from_json(text: str | bytes) -> Any:
    """What JSON text holds. Raises ValueError, also where it is nested without end, or has a key twice: which of them
    counts depends on the reader (RFC 8259, 4).
    """
    try:
        return json.loads(text, object_pairs_hook=_once)
    except RecursionError as deep:
        raise ValueError("it is nested too deep") from deep


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"it has the key {twice[:80]!r} twice")
    return found


def first_problem(wrong: Exception) -> str:
    """What is wrong with a file, in one line: of what pydantic says, the first place and what is wrong there."""
    if isinstance(wrong, ValidationError):
        first = wrong.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}" if where else first["msg"]
    return next(iter(str(wrong).splitlines()), "") or type(wrong).__name__


def _matches(pattern: re.Pattern[str], what: str, *, or_empty: bool = False) -> Callable[[str], str]:
    def validate(text: str) -> str:
        if not pattern.fullmatch(text) and not (or_empty and not text):
            raise ValueError(f"{text[:80]!r} is not {what}")
        return text

    return validate


def _cell_id(text: str) -> str:
    parts = text.split("/")
    if len(parts) != 3 or not all(SEGMENT.fullmatch(part) for part in parts):
        raise ValueError(f"{text[:80]!r} is not the id of a cell: environment/path/scenario, none of over 200 letters")
    return text


Sha256 = Annotated[str, AfterValidator(_matches(_SHA256, "a SHA-256 of 64 hexadecimal digits"))]
"""64 hexadecimal digits."""

OptionalDigest = Annotated[str, AfterValidator(_matches(_DIGEST, "a digest, sha256:…", or_empty=True))]
"""`sha256:` and 64 hexadecimal digits, or nothing."""

RunId = Annotated[str, AfterValidator(_matches(RUN_ID, "the id of a run, YYYYmmdd-HHMMSS-xxxx"))]
"""The id of a run, as `harness.evidence.ledger.new_run_id` makes it."""

Segment = Annotated[str, AfterValidator(_matches(SEGMENT, "a name or a version, of at most 200 letters"))]
"""What can be a part of the id of a cell: a name or a version, and no path."""

CellId = Annotated[str, AfterValidator(_cell_id)]
"""The id of a cell, `kind-1.34/install-2.5.2/spark-pi`: three segments, none of which is a dot or begins with one."""


def no_file(what: str, path: Path) -> str:
    """Why something is not read that is no regular file: `the chart x.tgz does not exist`, or `… is a folder`."""
    if path.is_dir():
        return f"{what} {path} is a folder"
    return f"{what} {path} is no regular file" if path.exists() else f"{what} {path} does not exist"


def inside(folder: Path, name: str) -> Path:
    """The path of `name` below a folder. Raises UsageError for one that leaves the folder, also through a link."""
    try:
        require_relative(name)
    except ValueError as wrong:
        raise UsageError(f"refused a path that a file names: {wrong}", _NEXT) from wrong
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{name} leads outside {folder} through a link", _NEXT)
    return path


def files_below(folder: Path) -> Iterator[Path]:
    """The regular files below a folder, in order. Links, devices and what they point to are omitted."""
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            yield from files_below(path)
        elif path.is_file():
            yield path


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """How much an archive may hold: entries, bytes of one file, and bytes of all files together, unpacked."""

    entries: int
    file: int
    total: int
    links: bool = False
    """Whether it may hold links to other things in it."""
    again: bool = False
    """Whether it may hold a file twice; which of them counts depends on the reader."""


CHART_BOUNDS = Bounds(entries=10_000, file=5 * MEBIBYTE, total=100 * MEBIBYTE)
"""What Helm takes of a chart: MaxDecompressedFileSize and MaxDecompressedChartSize of pkg/chart/loader, 3.22.0."""

EVIDENCE_BOUNDS = Bounds(entries=20_000, file=1024 * MEBIBYTE, total=4096 * MEBIBYTE)
"""Far above what the evidence of a cell comes to."""

IMAGE_BOUNDS = Bounds(entries=500_000, file=64 * 1024 * MEBIBYTE, total=256 * 1024 * MEBIBYTE, links=True, again=True)
"""Images of tens of gigabytes exist; what bounds them in practice is the disk. `docker save` of Docker 20.10 links a
layer that is there already."""


class Archive:
    """A tar archive that is read front to back, within bounds."""

    def __init__(self, tar: tarfile.TarFile, where: Path, bounds: Bounds) -> None:
        self._tar = tar
        self._where = where
        self._bounds = bounds

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Its folders and regular files; names are relative and stay inside.

        Raises UsageError at a link, a device, a name that leads out, and beyond the bounds.
        """
        total = 0
        names: set[str] = set()
        for number, member in enumerate(self._tar, 1):
            if number > self._bounds.entries:
                raise self._refused(f"it has more than {self._bounds.entries} entries")
            name = member.name.removeprefix("./") or "."
            try:
                require_relative(name)
                self._require_kind(member, name)
            except ValueError as wrong:
                raise self._refused(str(wrong)) from wrong
            if member.isfile() and not self._bounds.again and name in names:
                raise self._refused(f"it has {name[:80]!r} twice")
            names.add(name)
            total += member.size
            if member.size > self._bounds.file:
                raise self._refused(f"{name[:80]!r} is a file of {member.size >> 20} MiB")
            if total > self._bounds.total:
                raise self._refused(f"its files add up to more than {self._bounds.total >> 20} MiB")
            yield member

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The name, without a leading `./`, and the content of each regular file. Raises as `members` does."""
        for member in self.members():
            content = self._tar.extractfile(member) if member.isfile() else None
            if content is not None:
                yield member.name.removeprefix("./"), content.read()

    def extract(self, folder: Path, *, reserve: int) -> None:
        """Unpack into a folder, as long as `reserve` bytes of its disk stay free.

        Raises DiskError before a file that has no room, and UsageError as `members` does.
        """
        for member in self.members():
            if member.isfile() and shutil.disk_usage(folder).free - member.size < reserve:
                raise DiskError(
                    f"not enough free disk space in {folder} to unpack {self._where}: it needs {member.size >> 20} "
                    f"MiB more, and "
                    f"{reserve >> 20} MiB must stay free",
                    "free some space, or set HARNESS_CACHE to another disk",
                )
            try:
                self._tar.extract(member, folder, filter="data")
            except OSError as full:
                if full.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise DiskError(
                        f"not enough free disk space in {folder} to unpack {self._where}", "free some space"
                    ) from full
                raise

    def _require_kind(self, member: tarfile.TarInfo, name: str) -> None:
        if member.isfile() or member.isdir():
            return
        if not (member.issym() or member.islnk()):
            raise ValueError(f"{name[:80]!r} is a device")
        if not self._bounds.links:
            raise ValueError(f"{name[:80]!r} is a link")
        start = PurePosixPath(name).parent if member.issym() else PurePosixPath()
        if posixpath.isabs(member.linkname) or posixpath.normpath(start / member.linkname).startswith(".."):
            raise ValueError(f"the link {name[:80]!r} leads outside it")

    def _refused(self, what: str) -> UsageError:
        return UsageError(f"refused to unpack {self._where}: {what}", _NEXT)


@contextmanager
def opened(path: Path, bounds: Bounds) -> Iterator[Archive]:
    """A tar archive, with or without gzip. Raises UsageError for a file that is not one, or is damaged."""
    try:
        require_archive(path, bounds)
        with tarfile.open(path) as tar:
            yield Archive(tar, path, bounds)
    except (tarfile.TarError, EOFError, OSError) as broken:
        raise UsageError(
            f"{path} cannot be read as a tar archive: {_packed(path) or _why(broken)}",
            "check the path, or download it again",
        ) from broken


def require_archive(path: Path, bounds: Bounds) -> None:
    """Raise OSError for what can be no archive of anything: before it is searched to its end for what it may be."""
    named_files.require_file(path, most=bounds.total)
    with path.open("rb") as stream:
        first = stream.read(tarfile.BLOCKSIZE)
    if not first.strip(b"\0"):
        raise named_files.Unfit(
            errno.EINVAL, "it is empty, or begins with zeros, as where a download was cut off", str(path)
        )


def _packed(path: Path) -> str:
    """What a file is that is no tar archive, or packed as not every version of Python reads it; else empty."""
    try:
        with path.open("rb") as stream:
            first = stream.read(64).lstrip().lower()
    except OSError:
        return ""
    return next((how for begins, how in _PACKED.items() if first.startswith(begins)), "")


def _why(broken: Exception) -> str:
    """The first line of an error; of "file could not be opened", others say which kinds of archives it is not."""
    return first_problem(broken).removesuffix(":")


def require_relative(name: str) -> None:
    """Raise ValueError for what is not a path below the folder that it is relative to."""
    path = PurePosixPath(name)
    if not name or "\0" in name or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name[:80]!r} is not a path below its folder")
    if len(name.encode(errors="surrogateescape")) > _LONGEST_PATH or len(path.parts) > _DEEPEST_PATH:
        raise ValueError(f"{name[:80]!r}… is longer or deeper than a path may be")
