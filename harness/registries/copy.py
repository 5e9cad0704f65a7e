# SPDX-License-Identifier: Apache-2.0
"""Copies an image from one registry to another: the same digests, all platforms, with its referrers.

Blobs are copied first, then manifests from the leaves up, then referrers, and the tag last: a concurrent pull of the
tag gets either the old image or all of the new one. What DST already has is skipped, so that an interrupted copy
resumes where it stopped; where the digests of the tags say that all is there (harness.registries.same), no manifest is
read. crane copies images too, but without referrers, which is why it is not used here.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import DiskError, RegistryError, UsageError
from harness.images.references import ImageReference
from harness.registries.push import RawManifest, Transfer
from harness.registries.referrers import fallback_tag, names
from harness.registries.same import all_there, digest_by_head
from harness.wording import counted

_DEPTH = 6


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A configuration or layer; `size` is in bytes."""

    digest: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Tree:
    """An image with everything that belongs to it.

    `manifests` are ordered from the leaves up, the image itself last; `referrers` refer to one of them (or to
    one another), subjects first; `tags` are those by cosign's scheme, with the digest that each has.
    """

    root: RawManifest
    manifests: tuple[RawManifest, ...]
    referrers: tuple[RawManifest, ...]
    tags: tuple[tuple[str, str], ...] = ()
    blobs: tuple[Blob, ...] = field(default=(), repr=False)


@dataclass(frozen=True, kw_only=True)
class Copied:
    """The result of a copy. `bytes` counts the blobs that were sent.

    `by_digest`: the digests of the tags told that all is there, and nothing was looked at one by one.
    """

    digest: str
    blobs: int
    blobs_there: int
    bytes: int
    manifests: int
    manifests_there: int
    referrers: int
    by_digest: bool = False

    @property
    def nothing_to_do(self) -> bool:
        """Whether nothing had to be copied."""
        return not self.blobs and not self.manifests


class Manifests:
    """The manifests of a repository by digest, each read once; what `copy` has is read there."""

    def __init__(self, client: Transfer, repository: str, copy: Manifests | None = None) -> None:
        self._client = client
        self._repository = repository
        self._copy = copy
        self._known: dict[str, RawManifest | None] = {}

    def get(self, digest: str) -> RawManifest | None:
        """A manifest, its digest verified; None when there is none."""
        if digest not in self._known:
            copied = self._copy.get(digest) if self._copy else None
            self._known[digest] = copied or self._client.raw(self._repository, digest)
        return self._known[digest]

    def root(self, identifier: str) -> RawManifest | None:
        """The manifest of a tag or digest: with a copy, by the digest that a HEAD request gives."""
        digest = digest_by_head(self._client, self._repository, identifier) if self._copy else ""
        found = self.get(digest) if digest else self._client.raw(self._repository, identifier)
        if found:
            self._known[found.digest] = found
        return found


def read_tree(
    source: Transfer, image: ImageReference, *, with_referrers: bool = True, manifests: Manifests | None = None
) -> Tree:
    """Everything that belongs to an image, manifests only, read through `manifests`. Raises RegistryError."""
    shelf = manifests or Manifests(source, image.repository)
    root = shelf.root(image.identifier)
    if root is None:
        # As a client says it, with the tags that there are.
        source.manifest(image)
        raise RegistryError(f"{source.server} has no {image}", "check name and tag", status=404)
    own = list(_below(source, image.repository, shelf, root, 0))
    found: dict[str, RawManifest] = {}
    tags: dict[str, str] = {}
    known = {it.digest for it in own}
    subjects = list(own) if with_referrers else []
    while subjects:
        subject = subjects.pop(0)
        for digest, tag in _named(source, image.repository, subject.digest):
            if tag:
                tags[tag] = digest
            if digest in known:
                continue
            known.add(digest)
            raw = shelf.get(digest)
            if raw is None:
                raise RegistryError(
                    f"{source.server} lists {digest} as a referrer of {image}, but does not have it",
                    "copy without referrers (--no-referrers), or push it again",
                    status=404,
                )
            below = [one for one in _below(source, image.repository, shelf, raw, 0) if one.digest not in found]
            found.update({one.digest: one for one in below})
            known.update(one.digest for one in below)
            subjects += below
    everything = [*own, *found.values()]
    sizes = {str(it["digest"]): int(it["size"]) for manifest in everything for it in manifest.blobs}
    return Tree(
        root=root,
        manifests=tuple(own),
        referrers=tuple(found.values()),
        tags=tuple(sorted(tags.items())),
        blobs=tuple(Blob(digest=digest, size=size) for digest, size in sizes.items()),
    )


def copy(
    source: Transfer,
    image: ImageReference,
    target: Transfer,
    to: ImageReference,
    *,
    jobs: int = 4,
    with_referrers: bool = True,
    replace: bool = False,
    thorough: bool = False,
    scratch: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Copied:
    """Copy an image. Up to `jobs` blobs are copied in parallel, each through a file below `scratch`.

    Where the digests of the tags say that all is there, nothing else is asked for, unless `thorough`. Partially
    fetched blobs stay there when a scratch folder is given, and the next copy resumes them. Raises
    RegistryError, UsageError where both names are the same place or `to` has another digest, and RegistryError unless
    `replace` when the tag is taken by another image.
    """
    if source.address(image.repository) == target.address(to.repository) and to.tag in ("", image.tag):
        raise UsageError(
            f"SRC {image} and DST {to} are the same place: {source.address(image.repository)}",
            "with a mirror map, use --source upstream to address the public registry",
        )
    present = "" if thorough else all_there(source, image, target, to, with_referrers=with_referrers)
    if present and to.digest in ("", present):
        return Copied(
            digest=present, blobs=0, blobs_there=0, bytes=0, manifests=0, manifests_there=0, referrers=0, by_digest=True
        )
    tree = read_tree(source, image, with_referrers=with_referrers)
    if to.digest and to.digest != tree.root.digest:
        raise UsageError(f"{image} has digest {tree.root.digest}, but {to} names another", "omit the digest from DST")
    _require_free_tag(target, to, tree.root.digest, replace=replace)
    say(f"{image} is {tree.root.digest}: {counted(len(tree.manifests), 'manifest')}, "
        f"{counted(len(tree.blobs), 'blob')}, "
        f"{counted(len(tree.referrers), 'referrer')}")  # fmt: skip
    sent = _copy_blobs(source, image.repository, target, to.repository, tree.blobs, jobs, scratch, say)
    done = there = 0
    for manifest in (*tree.manifests, *tree.referrers):
        is_there = target.digest_at(to.repository, manifest.digest) == manifest.digest
        done, there = done + (not is_there), there + is_there
        # One with a subject is pushed again: that completes a list that an interrupted copy could not write any more.
        if manifest.subject or not is_there:
            target.put(to.repository, manifest.digest, manifest)
    for subject in sorted({it.subject for it in tree.referrers if it.subject}):
        _adopt_list(source, image.repository, target, to.repository, fallback_tag(subject))
    by_digest = {it.digest: it for it in tree.referrers}
    tags = [(tag, by_digest[digest]) for tag, digest in tree.tags if digest in by_digest]
    if to.tag:
        tags.append((to.tag, tree.root))
    for tag, manifest in tags:
        if target.digest_at(to.repository, tag) != manifest.digest:
            target.put(to.repository, tag, manifest)
            say(f"{to.name}:{tag} is {manifest.digest}")
    return Copied(
        digest=tree.root.digest,
        blobs=len(sent),
        blobs_there=len(tree.blobs) - len(sent),
        bytes=sum(it.size for it in sent),
        manifests=done,
        manifests_there=there,
        referrers=len(tree.referrers),
    )


def _below(
    source: Transfer, repository: str, shelf: Manifests, manifest: RawManifest, depth: int
) -> Iterator[RawManifest]:
    """A manifest with everything that it lists, leaves first, without duplicates."""
    if depth > _DEPTH:
        raise RegistryError(
            f"{repository}@{manifest.digest} nests manifests {depth} levels deep", "inspect it with `crane manifest`"
        )
    seen: set[str] = set()
    for digest in manifest.children:
        child = shelf.get(digest)
        if child is None:
            raise RegistryError(
                f"{source.server} does not have {repository}@{digest}, which {manifest.digest} lists",
                "push the image again, with all its platforms",
                status=404,
            )
        for it in _below(source, repository, shelf, child, depth + 1):
            if it.digest not in seen:
                seen.add(it.digest)
                yield it
    yield manifest


def _named(source: Transfer, repository: str, digest: str) -> Iterator[tuple[str, str]]:
    """The names of an image's referrers, which a registry may keep from whoever may have the image."""
    try:
        yield from names(source, repository, digest)
    except RegistryError as refused:
        if refused.status not in (401, 403):
            raise
        step = f"leave out signatures and attestations (--no-referrers); or {refused.next_step}"
        raise RegistryError(refused.message, step, status=refused.status) from refused


def _adopt_list(source: Transfer, repository: str, target: Transfer, to: str, tag: str) -> None:
    """Give DST the list of referrers byte for byte where SRC's names as much: the next copy compares the digests."""
    there, wanted = target.digest_at(to, tag), source.digest_at(repository, tag)
    if not there or not wanted or there == wanted:
        return
    ours, theirs = target.raw(to, tag), source.raw(repository, tag)
    if ours and theirs and set(ours.children) <= set(theirs.children):
        target.put(to, tag, theirs)


def _require_free_tag(target: Transfer, to: ImageReference, digest: str, *, replace: bool) -> None:
    there = target.digest_at(to.repository, to.tag) if to.tag else ""
    if there and there != digest and not replace:
        raise RegistryError(
            f"{to.name}:{to.tag} already exists with digest {there}, not {digest}: release tags must not move",
            "choose another tag, or move the tag with --replace",
            status=200,
        )


def _copy_blobs(
    source: Transfer,
    repository: str,
    target: Transfer,
    to: str,
    blobs: Sequence[Blob],
    jobs: int,
    scratch: Path | None,
    say: Callable[[str], None],
) -> list[Blob]:
    """Copy the missing blobs and return them. After the first error, no further blob is started."""
    sent: list[Blob] = []

    def one(blob: Blob, folder: Path) -> None:
        if target.has_blob(to, blob.digest):
            return
        # By the digest's own name, so that the next copy finds what this one had got.
        file = folder / hashlib.sha256(f"{source.address(repository)}@{blob.digest}".encode()).hexdigest()
        try:
            source.download(repository, blob.digest, blob.size, file)
        except OSError as full:
            raise DiskError(f"{blob.digest} does not fit on the disk: {full.strerror}", "free some space") from full
        target.upload(to, blob.digest, file)
        sent.append(blob)
        say(f"sent {blob.digest[:19]}, {blob.size / 1e6:.1f} MB")
        file.unlink(missing_ok=True)

    with tempfile.TemporaryDirectory(prefix="soh-copy-") as own:
        folder = scratch or Path(own)
        folder.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(jobs) as pool:
            # The largest first: a long one that begins last would keep the others waiting.
            order = sorted(blobs, key=lambda it: it.size, reverse=True)
            running = [pool.submit(one, blob, folder) for blob in order]
            try:
                finished, _ = wait(running, return_when=FIRST_EXCEPTION)
                failed = next((it for it in finished if it.exception()), None)
            except BaseException:
                _end(source, target, pool)
                raise
            if failed:
                _end(source, target, pool)
                failed.result()
    return sent


def _end(source: Transfer, target: Transfer, pool: ThreadPoolExecutor) -> None:
    """Abort transfers in progress."""
    source.ended.set()
    target.ended.set()
    pool.shutdown(wait=True, cancel_futures=True)
