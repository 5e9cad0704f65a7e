# SPDX-License-Identifier: Apache-2.0
"""Reproducible image layers: the same files give the same tarball, byte for byte."""

from __future__ import annotations

import copy
import gzip
import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path, PurePosixPath
from typing import IO, cast

from harness.images import media_types

_CHUNK = 1 << 20


class Compression(IntEnum):
    """gzip levels. Layers are unpacked more often than stored: speed comes before size.

    NONE is gzip's framing around stored bytes, for files that are compressed already, such as jars.
    """

    NONE = 0
    FAST = 1


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Numeric user and group of a file in an image."""

    uid: int = 0
    gid: int = 0


ROOT = Owner()


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A stored layer. `digest` is of the compressed file, `diff_id` of the tarball in it, `size` in bytes."""

    file: Path
    digest: str
    diff_id: str
    size: int

    @property
    def descriptor(self) -> dict[str, object]:
        """As an OCI manifest lists it."""
        return {"mediaType": f"{media_types.LAYER}+gzip", "digest": self.digest, "size": self.size}


class LayerWriter:
    """Puts files into a layer in the order of the calls; every time stamp is the epoch, and owners have no names.

    Missing parent folders of a file are added as root's, mode 0755: a container engine would create
    them the same way, whatever a lower layer has, but with the current time.
    """

    def __init__(self, archive: tarfile.TarFile) -> None:
        self._archive = archive
        self._folders = {"."}

    def folder(self, path: str, *, mode: int = 0o755, owner: Owner = ROOT) -> None:
        """A folder."""
        self._add(_entry(path, tarfile.DIRTYPE, mode, owner))
        self._folders.add(path)

    def text(self, path: str, content: str | bytes, *, mode: int = 0o644, owner: Owner = ROOT) -> None:
        """A file with this content."""
        data = content.encode() if isinstance(content, str) else content
        entry = _entry(path, tarfile.REGTYPE, mode, owner)
        entry.size = len(data)
        self._add(entry, io.BytesIO(data))

    def file(self, path: str, source: Path, *, mode: int | None = None, owner: Owner = ROOT) -> None:
        """A copy of a file; `mode` is 0755 or 0644 unless given, as the source is executable or not."""
        status = source.stat()
        entry = _entry(path, tarfile.REGTYPE, mode or (0o755 if status.st_mode & 0o100 else 0o644), owner)
        entry.size = status.st_size
        with source.open("rb") as stream:
            self._add(entry, stream)

    def link(self, path: str, target: str, *, owner: Owner = ROOT) -> None:
        """A symbolic link."""
        entry = _entry(path, tarfile.SYMTYPE, 0o777, owner)
        entry.linkname = target
        self._add(entry)

    def tree(self, path: str, source: Path, *, owner: Owner = ROOT) -> None:
        """A folder with everything in it, sorted by name."""
        self.folder(path, owner=owner)
        for child in sorted(source.iterdir()):
            if child.is_dir():
                self.tree(f"{path}/{child.name}", child, owner=owner)
            else:
                self.file(f"{path}/{child.name}", child, owner=owner)

    def member(self, path: str, member: tarfile.TarInfo, content: IO[bytes] | None) -> None:
        """A member of another tarball with its owner and mode, under another path."""
        entry = copy.copy(member)
        entry.name, entry.mtime, entry.uname, entry.gname = path, 0, "", ""
        if entry.islnk():
            entry.linkname = str(PurePosixPath(entry.linkname))
        entry.pax_headers = {key: value for key, value in member.pax_headers.items() if key.startswith("SCHILY.xattr.")}
        self._archive.addfile(entry, content)
        if entry.isdir():
            self._folders.add(path)

    def _add(self, entry: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
        for parent in reversed(PurePosixPath(entry.name).parents):
            if str(parent) not in self._folders:
                self.folder(str(parent))
        self._archive.addfile(entry, content)


def write_layer(
    folder: Path, name: str, fill: Callable[[LayerWriter], None], *, compression: Compression = Compression.FAST
) -> Layer:
    """Write the layer `<folder>/<name>.tar.gz`, with a description beside it that `read_layer` reads."""
    path = folder / f"{name}.tar.gz"
    with path.open("wb") as raw:
        outer = _Hashing(raw)
        with gzip.GzipFile("", "wb", int(compression), cast(IO[bytes], outer), mtime=0) as packed:
            inner = _Hashing(packed)
            with tarfile.open(
                fileobj=cast(IO[bytes], inner), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK
            ) as tar:
                fill(LayerWriter(tar))
    layer = Layer(file=path, digest=outer.digest, diff_id=inner.digest, size=outer.size)
    text = json.dumps({"digest": layer.digest, "diff_id": layer.diff_id, "size": layer.size}, indent=2)
    (folder / f"{name}.json").write_text(text)
    return layer


def read_layer(folder: Path, name: str = "layer") -> Layer:
    """A layer that `write_layer` wrote into a folder."""
    data = json.loads((folder / f"{name}.json").read_text())
    return Layer(file=folder / f"{name}.tar.gz", digest=data["digest"], diff_id=data["diff_id"], size=data["size"])


def extract(layer: Layer, prefix: str, suffix: str, target: Path) -> list[Path]:
    """Take the regular files below `prefix` that end with `suffix` out of a layer, all into one folder."""
    target.mkdir(parents=True, exist_ok=True)
    files = []
    with tarfile.open(layer.file, "r|gz") as archive:
        for member in archive:
            if member.isreg() and member.name.startswith(prefix) and member.name.endswith(suffix):
                content = archive.extractfile(member)
                if content is not None:
                    file = target / Path(member.name).name
                    with content, file.open("wb") as sink:
                        shutil.copyfileobj(content, sink, _CHUNK)
                    files.append(file)
    return files


def _entry(path: str, kind: bytes, mode: int, owner: Owner) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.uid, entry.gid = kind, mode, owner.uid, owner.gid
    return entry


class _Hashing:
    """A stream that counts and hashes what is written through it."""

    def __init__(self, sink: IO[bytes] | gzip.GzipFile) -> None:
        self._sink = sink
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self._hash.update(data)
        self.size += len(data)
        self._sink.write(data)
        return len(data)

    def flush(self) -> None:
        self._sink.flush()

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"
