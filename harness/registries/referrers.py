# SPDX-License-Identifier: Apache-2.0
"""The referrers of an image: signatures, attestations and SBOMs, by each way to discover them.

The ways are the referrers API, its fallback tag (OCI distribution specification 1.1, "Listing Referrers" and "Referrers
Tag Schema"), cosign's older tags (github.com/sigstore/cosign, specs/SIGNATURE_SPEC.md), and the attestations that
BuildKit puts into the index itself (docs.docker.com/build/metadata/attestations/attestation-storage).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.references import is_digest
from harness.late import httpx
from harness.registries.client import RegistryClient
from harness.registries.link_headers import following

if TYPE_CHECKING:
    from harness.registries.push import Transfer

COSIGN_SUFFIXES = ("sig", "att", "sbom")

Kind = Literal["signature", "attestation", "sbom", "other"]
Way = Literal["referrers API", "referrers tag", "cosign tag", "index"]

_MOST_PAGES = 200
_ATTESTATIONS = ("in-toto", "attestation", "sigstore.bundle", "dsse")


@dataclass(frozen=True, kw_only=True)
class Referrer:
    """A manifest with metadata about an image. `tag` is its tag in cosign's scheme, or empty."""

    digest: str
    media_type: str
    size: int
    artifact_type: str
    way: Way
    tag: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Its kind, by media type; `other` for unknown types."""
        words = f"{self.artifact_type} {self.annotations.get('vnd.docker.reference.type', '')}".lower()
        if self.tag.endswith(".sig") or "signature" in words or "simplesigning" in words:
            return "signature"
        if self.tag.endswith(".sbom") or "spdx" in words or "cyclonedx" in words or "sbom" in words:
            return "sbom"
        if self.tag.endswith(".att") or any(it in words for it in _ATTESTATIONS):
            return "attestation"
        return "other"


def referrers(client: RegistryClient, repository: str, digest: str) -> tuple[Referrer, ...]:
    """All referrers of a manifest, without duplicates. Raises RegistryError when the registry refuses."""
    listed = [_with_type(client, repository, it) for it in _listed(client, repository, digest)]
    found = [*listed, *_cosign(client, repository, digest)]
    return tuple({it.digest + it.tag: it for it in found}.values())


def names(client: Transfer, repository: str, digest: str) -> Iterator[tuple[str, str]]:
    """Digest and cosign's tag (else empty) of each referrer; only a list under the fallback tag is read for this."""
    for it in _listed(client, repository, digest):
        yield it.digest, ""
    yield from cosign_tags(client, repository, digest)


def cosign_tags(client: Transfer, repository: str, digest: str) -> Iterator[tuple[str, str]]:
    """Digest and tag of what refers to a manifest by cosign's scheme, by HEAD requests."""
    for suffix in COSIGN_SUFFIXES:
        tag = f"{fallback_tag(digest)}.{suffix}"
        found = client.digest_at(repository, tag)
        if found:
            yield found, tag


def _with_type(client: RegistryClient, repository: str, it: Referrer) -> Referrer:
    """With the type from its own manifest: GHCR lists that of an empty configuration (NVIDIA/aicr#1957)."""
    if it.artifact_type not in ("", media_types.EMPTY):
        return it
    response = client.ask("GET", repository, f"manifests/{it.digest}")
    named = str(_content(response).get("artifactType") or "") if response.status_code == 200 else ""
    return replace(it, artifact_type=named or it.artifact_type)


def in_index(content: Mapping[str, Any]) -> tuple[Referrer, ...]:
    """The attestations that an index carries for its own platforms."""
    return tuple(
        _referrer(entry, "index")
        for entry in content.get("manifests") or []
        if (entry.get("annotations") or {}).get("vnd.docker.reference.type")
    )


def fallback_tag(digest: str) -> str:
    """The tag that lists a digest's referrers in a registry without the referrers API."""
    return digest.replace(":", "-", 1)[:128]


def by_api(client: RegistryClient, repository: str, digest: str) -> list[Referrer] | None:
    """What the referrers API lists; None for a registry without it. No registry counts this as a pull."""
    response = client.ask("GET", repository, f"referrers/{digest}")
    if response.status_code == 200 and _is_index(response):
        pages = _pages(client, repository, response)
        return [_referrer(it, "referrers API") for page in pages for it in _entries(page)]
    # 406 is what Artifactory says to what it does not know (google/go-containerregistry#2026).
    if response.status_code not in (200, 400, 404, 405, 406, 501):
        raise client.answered(response, f"the referrers of {repository}@{digest}")
    return None


def by_tag(client: RegistryClient, repository: str, digest: str) -> Iterator[Referrer]:
    """What the list under the fallback tag names.

    GitLab takes that tag for the digest itself, and answers with the subject (oras-project/oras-go#1396), whose
    platforms are no referrers.
    """
    response = _tagged(client, repository, fallback_tag(digest))
    if response.status_code == 200 and f"sha256:{hashlib.sha256(response.content).hexdigest()}" == digest:
        return
    if response.status_code == 200 and _is_index(response):
        for entry in _entries(response):
            yield _referrer(entry, "referrers tag")
    elif response.status_code not in (200, 404):
        raise client.answered(response, f"{repository}:{fallback_tag(digest)}")


def _listed(client: RegistryClient, repository: str, digest: str) -> Iterable[Referrer]:
    listed = by_api(client, repository, digest)
    return by_tag(client, repository, digest) if listed is None else listed


def _pages(client: RegistryClient, repository: str, first: httpx.Response) -> Iterator[httpx.Response]:
    page = first
    base = f"{client.root}/{repository}/"
    for _ in range(_MOST_PAGES):
        yield page
        if not (target := following(page)):
            return
        address = client.led_to(str(page.url), target)
        if not address.startswith(base):
            raise RegistryError(
                f"{client.server} continues its list of referrers at {address}, outside {base}",
                "report this to the registry's operator",
                status=page.status_code,
            )
        page = client.ask("GET", repository, address.removeprefix(base))
        if page.status_code != 200:
            raise client.answered(page, address)
    raise RegistryError(
        f"{client.server} lists the referrers in {repository} without an end, on more than {_MOST_PAGES} pages",
        "report this to the registry's operator",
        status=page.status_code,
    )


def _cosign(client: RegistryClient, repository: str, digest: str) -> Iterator[Referrer]:
    for suffix in COSIGN_SUFFIXES:
        tag = f"{fallback_tag(digest)}.{suffix}"
        response = _tagged(client, repository, tag)
        if response.status_code == 404:
            continue
        if response.status_code != 200:
            raise client.answered(response, f"{repository}:{tag}")
        content = _content(response)
        listed = content.get("layers")
        first = _mapping(listed[0]) if isinstance(listed, list) and listed else {}
        yield Referrer(
            digest=f"sha256:{hashlib.sha256(response.content).hexdigest()}",
            media_type=str(content.get("mediaType") or response.headers.get("content-type", "")),
            size=len(response.content),
            artifact_type=str(content.get("artifactType") or first.get("mediaType") or ""),
            way="cosign tag",
            tag=tag,
        )


def _tagged(client: RegistryClient, repository: str, tag: str) -> httpx.Response:
    """The manifest of a tag, with a HEAD first: most do not exist, and Docker Hub counts a GET but not a HEAD."""
    response = client.ask("HEAD", repository, f"manifests/{tag}")
    return client.ask("GET", repository, f"manifests/{tag}") if response.status_code == 200 else response


def _referrer(entry: Mapping[str, Any], way: Way) -> Referrer:
    return Referrer(
        digest=str(entry.get("digest")),
        media_type=str(entry.get("mediaType") or ""),
        size=size if isinstance(size := entry.get("size"), int) else 0,
        artifact_type=str(entry.get("artifactType") or ""),
        way=way,
        annotations={str(key): str(value) for key, value in _mapping(entry.get("annotations")).items()},
    )


def _mapping(value: object) -> Mapping[str, Any]:
    """What should be one, and is what somebody wrote into a registry."""
    return value if isinstance(value, dict) else {}


def _is_index(response: httpx.Response) -> bool:
    said = str(response.headers.get("content-type", "")).partition(";")[0].strip()
    return said in media_types.INDEXES or _content(response).get("mediaType") in media_types.INDEXES


def _entries(index: httpx.Response) -> list[dict[str, Any]]:
    """What an answer lists, by digests: they become parts of addresses."""
    listed = _content(index).get("manifests") or []
    return [it for it in listed if isinstance(it, dict) and is_digest(it.get("digest"))]


def _content(response: httpx.Response) -> dict[str, Any]:
    try:
        content = json.loads(response.content)
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}
