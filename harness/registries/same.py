# SPDX-License-Identifier: Apache-2.0
"""Whether a copy is complete, by HEAD requests: no registry counts them as pulls, and they carry no content.

A registry takes a manifest only with all that it names, and a copy writes its tag last (harness.registries.copy). So
a tag with the same digest on both sides stands for the whole image, and what refers to it has names of its own.
"""

from __future__ import annotations

from harness.errors import RegistryError
from harness.images.references import ImageReference
from harness.registries.push import Transfer
from harness.registries.referrers import by_api, by_tag, cosign_tags, fallback_tag

_BUSY = (0, 408, 429)


def all_there(
    source: Transfer, image: ImageReference, target: Transfer, to: ImageReference, *, with_referrers: bool = True
) -> str:
    """The image's digest where DST has it under its tag, with what refers to it; else empty.

    A manifest is read only where HEAD does not give the digest (`Docker-Content-Digest` is optional in the OCI
    distribution specification 1.1, "Checking if content exists in the registry"), and a list of referrers where it
    differs. Raises RegistryError where a registry is busy or away, or keeps the referrers back.
    """
    if not to.tag:
        return ""
    digest = digest_by_head(source, image.repository, image.identifier)
    if not digest or digest_by_head(target, to.repository, to.tag) != digest:
        return ""
    complete = not with_referrers or _referrers_there(source, image.repository, target, to.repository, digest)
    return digest if complete else ""


def staleness(
    source: Transfer, image: ImageReference, target: Transfer, to: ImageReference, *, with_referrers: bool = True
) -> str:
    """Why DST is not up to date, in words; empty where it is. Raises RegistryError where SRC lacks the image."""
    digest = digest_by_head(source, image.repository, image.identifier) or source.head(image).digest
    there = target.digest_at(to.repository, to.tag or to.digest)
    if there != digest:
        return f"DST has {there}, SRC has {digest}" if there else "DST does not have it"
    if with_referrers and not _referrers_there(source, image.repository, target, to.repository, digest):
        return "DST lacks signatures, attestations or SBOMs"
    return ""


def digest_by_head(client: Transfer, repository: str, identifier: str) -> str:
    """The digest of a tag or digest; empty where it is missing or refused, which only a GET explains."""
    try:
        return client.digest_at(repository, identifier)
    except RegistryError as refused:
        if refused.status in _BUSY or refused.status >= 500:
            raise
        return ""


def _referrers_there(source: Transfer, repository: str, target: Transfer, to: str, digest: str) -> bool:
    """Whether DST has the referrers of a manifest, and theirs."""
    subjects, known = [digest], {digest}
    while subjects:
        subject = subjects.pop()
        tagged = list(cosign_tags(source, repository, subject))
        if any(target.digest_at(to, tag) != found for found, tag in tagged):
            return False
        listed = _listed(source, repository, target, to, subject)
        if any(target.digest_at(to, found) != found for found in listed):
            return False
        following = {*listed, *(found for found, _ in tagged)} - known
        known |= following
        subjects += sorted(following)
    return True


def _listed(source: Transfer, repository: str, target: Transfer, to: str, subject: str) -> list[str]:
    """The referrers to look for in DST: none under a fallback tag that names the same list on both sides."""
    found = by_api(source, repository, subject)
    if found is None:
        tag = fallback_tag(subject)
        listed = source.digest_at(repository, tag)
        # GitLab has the subject itself there.
        same = listed in ("", subject) or target.digest_at(to, tag) == listed
        found = [] if same else list(by_tag(source, repository, subject))
    return [it.digest for it in found]
