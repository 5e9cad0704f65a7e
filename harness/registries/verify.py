# SPDX-License-Identifier: Apache-2.0
"""Proves that two names refer to the same image: digests, sizes, platforms, configurations, readable layers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from harness.errors import RegistryError
from harness.images.references import ImageReference
from harness.registries.client import Descriptor, Manifest
from harness.registries.copy import Blob, Manifests, Tree, read_tree
from harness.registries.push import Transfer
from harness.registries.referrers import names


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One claim about both: `what` was compared, whether it holds, and what was seen."""

    what: str
    same: bool
    seen: str


@dataclass(frozen=True, kw_only=True)
class Verification:
    """All claims about a copy. `bytes` is the number of bytes read from DST to prove them."""

    digest: str
    claims: tuple[Compared, ...]
    bytes: int

    @property
    def same(self) -> bool:
        """Whether every claim holds; False without any claim."""
        return bool(self.claims) and all(it.same for it in self.claims)


def verify(
    source: Transfer,
    image: ImageReference,
    target: Transfer,
    to: ImageReference,
    *,
    jobs: int = 4,
    with_referrers: bool = True,
) -> Verification:
    """Compare an image with its copy, reading every blob of the copy completely.

    Raises RegistryError when one of them is not there at all, or its registry does not answer.
    """
    copied = Manifests(target, to.repository)
    ours = read_tree(target, to, with_referrers=False, manifests=copied)
    # A manifest is what its digest says, wherever it is read: SRC, which may count, is asked for what DST lacks.
    behind = Manifests(source, image.repository, copied)
    theirs = read_tree(source, image, with_referrers=with_referrers, manifests=behind)
    claims = [
        _equal("digest", theirs.root.digest, ours.root.digest),
        _equal("media type", theirs.root.media_type, ours.root.media_type),
        _equal("size of the manifest", len(theirs.root.raw), len(ours.root.raw)),
        *_platforms(_by_platform(source, image, theirs), _by_platform(target, to, ours), (theirs, ours)),
        *_manifests(theirs, ours),
        *_referrers(theirs, target, to),
    ]
    read: list[int] = []
    wanted = {it.digest: it for it in (*ours.blobs, *theirs.blobs)}
    with ThreadPoolExecutor(jobs) as pool:
        claims += pool.map(lambda blob: _readable(target, to.repository, blob, read), wanted.values())
    return Verification(digest=theirs.root.digest, claims=tuple(claims), bytes=sum(read))


def _equal(what: str, theirs: object, ours: object) -> Compared:
    same = theirs == ours
    return Compared(what=what, same=same, seen=str(ours) if same else f"SRC has {theirs}, DST has {ours}")


def _platforms(theirs: Mapping[str, str], ours: Mapping[str, str], both: tuple[Tree, Tree]) -> Iterator[Compared]:
    """Platform by platform: the manifest, and the configuration that it names."""
    configurations = [
        {it.digest: str((it.content.get("config") or {}).get("digest")) for it in tree.manifests} for tree in both
    ]
    for name in dict.fromkeys((*theirs, *ours)):
        yield _equal(f"platform {name}", theirs.get(name, "none"), ours.get(name, "none"))
        if name in theirs and name in ours:
            here, there = configurations[0][theirs[name]], configurations[1][ours[name]]
            yield _equal(f"configuration of {name}", here, there)


def _by_platform(client: Transfer, image: ImageReference, tree: Tree) -> dict[str, str]:
    root = tree.root
    described = Descriptor(digest=root.digest, media_type=root.media_type, size=len(root.raw))
    read = Manifest(descriptor=described, content=root.content)
    found = client.platforms_of(read, image.pinned(root.digest))
    return {str(it) or "(none)": it.digest for it in found}


def _manifests(theirs: Tree, ours: Tree) -> Iterator[Compared]:
    """Attestations in the index, and everything else that does not belong to a platform."""
    wanted, there = ({it.digest for it in tree.manifests} for tree in (theirs, ours))
    missing = sorted(wanted - there)
    yield Compared(
        what="manifests",
        same=not missing,
        seen=f"{len(there)} of {len(wanted)}" + (f", without {', '.join(missing)}" if missing else ""),
    )


def _referrers(theirs: Tree, target: Transfer, to: ImageReference) -> Iterator[Compared]:
    for manifest in theirs.referrers:
        there = target.digest_at(to.repository, manifest.digest)
        yield _equal("referrer", manifest.digest, there or "none")
    by_digest = {it.digest for it in theirs.referrers}
    for tag, digest in theirs.tags:
        if digest in by_digest:
            yield _equal(f"tag {tag}", digest, target.digest_at(to.repository, tag) or "none")
    listed = {it.digest for it in theirs.referrers if it.subject}
    if listed:
        everything = (*theirs.manifests, *theirs.referrers)
        found = {digest for one in everything for digest, _ in names(target, to.repository, one.digest)}
        missing = sorted(listed - found)
        message = f"without {', '.join(missing)}" if missing else "all of them"
        yield Compared(what="referrers that can be discovered from the image", same=not missing, seen=message)


def _readable(target: Transfer, repository: str, blob: Blob, read: list[int]) -> Compared:
    try:
        size = target.check(repository, blob.digest, most=blob.size)
    except RegistryError as error:
        return Compared(what=f"blob {blob.digest}", same=False, seen=error.message)
    read.append(size)
    same = size == blob.size
    seen = f"{size} bytes, read and hashed" if same else f"{size} bytes, expected {blob.size}"
    return Compared(what=f"blob {blob.digest}", same=same, seen=seen)


def differences(verification: Verification) -> Iterable[Compared]:
    """The claims that do not hold."""
    return [it for it in verification.claims if not it.same]
