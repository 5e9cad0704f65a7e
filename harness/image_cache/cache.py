# SPDX-License-Identifier: Apache-2.0
"""The files of the image cache: content by its digest, a record for each image, and who is using them.

Content lies as a distribution server has it on a file system (registry/storage/paths.go: `blobs/<algorithm>/<first two
digits>/<digits>/data`), so that a server reads it where it is.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from harness import named_files
from harness.errors import HostError, RegistryError, UsageError
from harness.images.references import ImageReference
from harness.registries.manifest_shape import Digest
from harness.registries.push import RawManifest, as_manifest
from harness.settings import Settings

_GO_ON_SECONDS = 7 * 86400.0
"""For so long the next run goes on with what one has begun to fetch."""


class Content(BaseModel):
    """A manifest, configuration or layer; `size` is in bytes. The digest is the name of a file that may be removed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: Digest
    size: int


class CachedImage(BaseModel):
    """An image in the cache: for one platform, with the index that lists it where there is one.

    `digest` is what the registry gives for the reference, `own` is the digest of the platform's manifest; `manifests`
    are ordered from the top down.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reference: str
    digest: str
    own: str
    config: str
    platform: str
    manifests: tuple[Content, ...]
    blobs: tuple[Content, ...]

    @property
    def contents(self) -> tuple[Content, ...]:
        """Everything that belongs to it."""
        return (*self.manifests, *self.blobs)

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(it.size for it in self.contents)

    @property
    def digests(self) -> frozenset[str]:
        """The digests by which a node may know it, as RegistryClient.digests has them."""
        return frozenset({self.digest, self.own, self.config})


class ImageCache:
    """The cache below `root`. May be used by several threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._records = root / "records"

    @classmethod
    def of(cls, settings: Settings) -> ImageCache:
        """The cache of these settings. Raises HostError where something else has its place."""
        root = settings.cache_dir / "images"
        if why := named_files.why_no_folder(root):
            raise HostError(f"the image cache {root} is no folder: {why}", "move it away, or set HARNESS_CACHE")
        return cls(root)

    @property
    def blobs(self) -> Path:
        """The folder with all content, to be read by a server."""
        return self.root / "blobs"

    def data(self, digest: str) -> Path:
        """The file of a content, whether it is there or not."""
        algorithm, _, digits = digest.partition(":")
        return self.blobs / algorithm / digits[:2] / digits / "data"

    def has(self, content: Content) -> bool:
        """Whether a content is there with its size."""
        try:
            return self.data(content.digest).stat().st_size == content.size
        except OSError:
            return False

    def manifest(self, digest: str) -> RawManifest | None:
        """A manifest; None where it is not there, not what its digest says, or of no use."""
        try:
            raw = self.data(digest).read_bytes()
        except OSError:
            return None
        if digest != f"sha256:{hashlib.sha256(raw).hexdigest()}":
            return None
        try:
            return as_manifest(raw)
        except RegistryError:
            # The registry is asked again, and its answer told.
            return None

    def write_manifest(self, manifest: RawManifest) -> None:
        """Store a manifest."""
        target = self.data(manifest.digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, manifest.raw)

    @contextmanager
    def arriving(self, digest: str) -> Iterator[Path | None]:
        """The file that a content is to be written to, which may have a part of it; it is stored when the block ends.

        None where it is there: other runs that fetch the same are waited for.
        """
        name = digest.replace(":", "-")
        (self.root / "partial").mkdir(parents=True, exist_ok=True)
        with FileLock(self.root / "partial" / f"{name}.lock"):
            target = self.data(digest)
            if target.exists():
                yield None
                return
            partial = self.root / "partial" / name
            yield partial
            target.parent.mkdir(parents=True, exist_ok=True)
            partial.replace(target)

    def find(self, image: ImageReference, digest: str, platform: str) -> CachedImage | None:
        """The image with all of its content, if the cache has it with this digest for this platform."""
        found = _read(self._record(image))
        if found is None or (found.digest, found.platform) != (digest, platform):
            return None
        return found if all(map(self.has, found.contents)) else None

    def record(self, image: CachedImage) -> None:
        """Have an image in the cache, or note that it was used now."""
        file = self._record(ImageReference.parse(image.reference))
        file.parent.mkdir(parents=True, exist_ok=True)
        _replace(file, image.model_dump_json().encode())

    def images(self) -> list[tuple[CachedImage, datetime]]:
        """All images, each with its last use, the one that was used last first."""
        found = [(it, file.stat().st_mtime) for file in self._records.glob("*.json") if (it := _read(file))]
        return [(it, datetime.fromtimestamp(used, UTC)) for it, used in sorted(found, key=lambda it: -it[1])]

    def size(self) -> int:
        """What all content takes on the disk, in bytes, unfinished content too."""
        return sum(map(_size, (*self.blobs.glob("*/*/*/data"), *self._partial())))

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Nothing is removed from the cache within the block, by no process of this machine."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "in-use").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH)
            yield

    def prune(self, most: float) -> list[CachedImage]:
        """Remove images until what is left has at most `most` bytes, the longest unused first, and all content without
        an image, but for what fits of a fetch that was interrupted within a week. Raises UsageError while a run uses
        the cache.
        """
        with self._alone():
            gone: list[CachedImage] = []
            needed: set[str] = set()
            total = 0
            for image, _ in self.images():
                more = {it.digest: it.size for it in image.contents if it.digest not in needed}
                if gone or total + sum(more.values()) > most:
                    gone.append(image)
                    self._record(ImageReference.parse(image.reference)).unlink()
                    continue
                needed |= set(more)
                total += sum(more.values())
            dropped = {it.digest for image in gone for it in image.contents}
            others = [it for it in self.blobs.glob("*/*/*/data") if _digest(it) not in needed]
            begun = [*self._partial(), *(it for it in others if _digest(it) not in dropped)]
            kept = self._to_go_on_with(begun, most - total)
            for data in set(others) - kept:
                shutil.rmtree(data.parent)
            for partial in set((self.root / "partial").glob("*")) - kept:
                partial.unlink()
            return gone

    def _to_go_on_with(self, files: Iterable[Path], room: float) -> set[Path]:
        """What of these is kept, the newest first, until there is no room."""
        kept: set[Path] = set()
        for file, known in sorted(((it, it.stat()) for it in files), key=lambda it: -it[1].st_mtime):
            room -= known.st_size
            if room > 0 and time.time() - known.st_mtime < _GO_ON_SECONDS:
                kept.add(file)
        return kept

    def prune_unless_in_use(self, most: float) -> list[CachedImage]:
        """The same, or nothing while another run uses the cache."""
        try:
            return self.prune(most)
        except UsageError:
            return []

    def verify(self, say: Callable[[str], None]) -> list[str]:
        """What is wrong with the content of each image, in words; what is corrupt is removed, and fetched again by the
        next run that needs it. Raises UsageError while a run uses the cache and something is to be removed.
        """
        wrong: dict[str, str] = {}
        checked: set[str] = set()
        problems: list[str] = []
        for image, _ in self.images():
            for it in image.contents:
                if it.digest not in checked:
                    checked.add(it.digest)
                    why = self._why_wrong(it)
                    wrong |= {it.digest: why} if why else {}
            bad = [f"{it.digest} {wrong[it.digest]}" for it in image.contents if it.digest in wrong]
            problems += [f"{image.reference}: {it}" for it in bad]
            say(f"{image.reference}: {'; '.join(bad) or 'intact'}")
        if wrong:
            with self._alone():
                for digest in wrong:
                    shutil.rmtree(self.data(digest).parent, ignore_errors=True)
        return problems

    def _why_wrong(self, content: Content) -> str:
        algorithm, _, digits = content.digest.partition(":")
        try:
            with self.data(content.digest).open("rb") as stream:
                found = hashlib.file_digest(stream, algorithm).hexdigest()
        except OSError as missing:
            return f"cannot be read: {missing.strerror}"
        return "" if found == digits else f"has the digest {algorithm}:{found}"

    def _partial(self) -> Iterable[Path]:
        return (it for it in (self.root / "partial").glob("*") if it.suffix != ".lock")

    def _record(self, image: ImageReference) -> Path:
        return self._records / f"{hashlib.sha256(image.canonical.encode()).hexdigest()[:32]}.json"

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "in-use").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise UsageError(
                    f"a run uses the image cache {self.root}, and nothing may be removed from it", "wait until it ends"
                ) from None
            yield


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        # A run has it elsewhere by now.
        return 0


def _digest(data: Path) -> str:
    """The digest of a content, by its file."""
    return f"{data.parts[-4]}:{data.parts[-2]}"


def _read(file: Path) -> CachedImage | None:
    try:
        return CachedImage.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as broken:
        raise HostError(f"{file} is not a valid record of a cached image", f"remove it: rm {file}") from broken


def _replace(target: Path, content: bytes) -> None:
    new = target.with_name(f"{target.name}.{os.getpid()}.{time.monotonic_ns()}")
    new.write_bytes(content)
    new.replace(target)
