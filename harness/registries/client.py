# SPDX-License-Identifier: Apache-2.0
"""A registry client: digests, manifests, configurations and tags by the OCI distribution API."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.references import DOCKER_HUB, ImageReference, is_digest
from harness.kube import pull_messages
from harness.late import httpx
from harness.registries.answers import json_of
from harness.registries.connection import Connection
from harness.registries.link_headers import following
from harness.registries.manifest_shape import artifact, require_image, require_sound, type_of
from harness.registries.platform_choice import DEPTH, Platform, chain_to, listed_platforms, platform_from
from harness.registries.problems import is_registrys

_NO_IMAGE = f"sha256:{hashlib.sha256(b'no image has this digest').hexdigest()}"

_MOST_PAGES = 1000
"""Pages of a list of tags: 100,000 of them at Docker Hub and GHCR, which have a hundred on a page."""

NO_HEAD = (HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED)
"""What a proxy answers that lets no HEAD through."""


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """The descriptor of a manifest; `size` is in bytes."""

    digest: str
    media_type: str
    size: int

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests of several platforms."""
        return self.media_type in media_types.INDEXES


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest or an index with its parsed content."""

    descriptor: Descriptor
    content: Mapping[str, Any]

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests of several platforms."""
        return self.descriptor.is_index


class RegistryClient(Connection):
    """A client for a registry host. Raises RegistryError for every response that is not the expected one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._manifests: dict[tuple[str, str], Manifest] = {}

    def ping(self) -> None:
        """Check that a registry answers; a request to log in counts as an answer."""
        response = self._answer_to(self._http.build_request("GET", f"{self._base}/"), self.server)
        challenged = response.status_code == 401 and "www-authenticate" in response.headers
        if response.status_code != 200 and not challenged:
            raise self.answered(response, "/v2/")
        if response.status_code == 200 and "html" in response.headers.get("content-type", ""):
            raise RegistryError(
                f"{self.server} answered with a web page instead of JSON",
                "look for a captive portal or proxy between this machine and the registry",
                status=200,
            )

    @property
    def _base(self) -> str:
        """Where the API answers that it is there: of a project, whose name follows /v2, the server's own."""
        before, found, _ = self.root.partition("/v2/")
        return f"{before}/v2" if found else self.root

    def _is_none(self, response: httpx.Response) -> bool:
        """Whether a 404 is no registry's: another server's page or text, and its API is not there either."""
        if is_registrys(response):
            return False
        try:
            self.ping()
        except RegistryError as refused:
            return refused.status in (HTTPStatus.OK, HTTPStatus.NOT_FOUND)
        return False

    def _no_registry(self, what: str) -> RegistryError:
        step = (
            f'correct the url of [mirrors."{self.host}"] in harness.toml'
            if self._is_mirror
            else pull_messages.next_step(pull_messages.NOT_A_REGISTRY, self.host)
        )
        return RegistryError(
            f"{self.server} answered 404 for {what}, and at {self._base}/ there is no registry at all", step
        )

    def head(self, reference: ImageReference) -> Descriptor:
        """The descriptor of a tag or digest, by HEAD where the registry supports it."""
        response = self._request("HEAD", reference, "manifests", reference.identifier)
        digest = announced(response)
        media_type = _media_type(response)
        if response.status_code == 200 and digest and media_type in (*media_types.INDEXES, *media_types.MANIFESTS):
            size = int(response.headers.get("content-length") or 0)
            return Descriptor(digest=digest, media_type=media_type, size=size)
        if response.status_code == 429 or response.status_code >= 500:
            # Docker Hub counts each GET against the rate limit.
            raise self._refused(response, reference)
        # An answer to HEAD has no body to explain itself, and the digest header is optional in the specification.
        return self.manifest(reference).descriptor

    def has(self, reference: ImageReference) -> bool:
        """Whether the registry has a tag or digest, by HEAD, which none counts as a pull.

        Raises RegistryError for every answer that is neither yes nor no: also for a 404 of a cache behind which the
        registry refuses or fails.
        """
        response = self._request("HEAD", reference, "manifests", reference.identifier)
        if response.status_code in (*NO_HEAD, 401, 403):
            # The answer to HEAD does not say why, no registry counts a GET that it refuses, and some refuse HEAD alone.
            response = self._request("GET", reference, "manifests", reference.identifier)
        if response.status_code == 200 and _media_type(response) not in (*media_types.INDEXES, *media_types.MANIFESTS):
            self.manifest(reference)
        if response.status_code == 404:
            # Docker Hub itself is no cache, and the only one that counts.
            hidden = self._hidden_by_404(reference) if self._is_mirror or self.host != DOCKER_HUB else None
            if hidden is not None:
                raise hidden
        if response.status_code not in (200, 404):
            raise self.answered(response, _shown(reference))
        return response.status_code == 200

    def manifest(self, reference: ImageReference) -> Manifest:
        """The manifest or index of a tag or digest; its digest is verified.

        One by digest is asked for once: it does not change, and Docker Hub counts each GET.
        """
        if reference.digest and (known := self._manifests.get((reference.repository, reference.digest))):
            return known
        response = self._request("GET", reference, "manifests", reference.identifier)
        if response.status_code != 200:
            raise self._refused(response, reference)
        content, media_type = self._read_manifest(response, _shown(reference))
        if media_type not in (*media_types.INDEXES, *media_types.MANIFESTS):
            raise RegistryError(
                f"{self.server} answered with {media_type or 'no media type'} for {_shown(reference)}, "
                "which is not an image manifest",
                "check that the name is that of an image and the address that of a registry",
                status=200,
            )
        digest = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
        claimed = reference.digest or announced(response) or digest
        if claimed.startswith("sha512:"):
            digest = f"sha512:{hashlib.sha512(response.content).hexdigest()}"
        if claimed.startswith(("sha256:", "sha512:")) and claimed != digest:
            raise RegistryError(
                f"{self.server} sent a manifest with digest {digest} for {_shown(reference)}, but announced {claimed}",
                "a proxy between this machine and the registry alters content, or the registry's storage is corrupt",
                status=200,
            )
        found = Manifest(
            descriptor=Descriptor(digest=claimed, media_type=media_type, size=len(response.content)), content=content
        )
        if claimed == digest:
            self._manifests[reference.repository, digest] = found
        return found

    def platforms(self, reference: ImageReference) -> tuple[Platform, ...]:
        """The platforms of an image, without attestations."""
        return self.platforms_of(self.manifest(reference), reference)

    def config(self, reference: ImageReference, *, platform: str = "linux/amd64") -> Mapping[str, Any]:
        """The image configuration (its `config.Labels`, `history`, …) for a platform; that of what is in no index
        whatever it is for.
        """
        top = self.manifest(reference)
        return self._config_of(self._for_platform(top, reference, platform) if top.is_index else top, reference)

    def digests(self, reference: ImageReference, *, platform: str = "linux/amd64") -> frozenset[str]:
        """The digests by which a node may know the image: of the tag, of the platform's manifest, of its configuration.

        The last one says what content it is, whatever lists it: containerd keeps an image by it.
        """
        return self.on_node(reference, platform=platform)[0]

    def on_node(
        self, reference: ImageReference, *, platform: str = "linux/amd64"
    ) -> tuple[frozenset[str], tuple[str, ...]]:
        """These digests, and the platforms of the image that such a node does not run."""
        top = self.manifest(reference)
        own = self._for_platform(top, reference, platform)
        known = frozenset({top.descriptor.digest, own.descriptor.digest, self._config_digest(own, reference)})
        return known, tuple(it.plain for it in listed_platforms(top.content) if it.plain != platform)

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, sorted. Raises RegistryError also for a list without an end, never a part of it."""
        reference = ImageReference(registry=self.host, repository=repository, tag="latest")
        found: set[str] = set()
        asked: set[str] = set()
        url = f"{self.root}/{repository}/tags/list"
        for _ in range(_MOST_PAGES):
            response = self._send("GET", url, reference)
            if response.status_code != 200:
                raise self.answered(response, repository)
            found.update(self._tags(response))
            if not (target := following(response)):
                return sorted(found)
            asked.add(url)
            url = self._next_page(url, target)
            if url in asked:
                break
        raise RegistryError(
            f"{self.server} lists the tags of {repository} without an end: {len(found)} of them on {len(asked)} pages, "
            "and still another one to follow",
            pull_messages.next_step(pull_messages.REGISTRY_ANSWER, self.host),
            status=HTTPStatus.OK,
        )

    def _next_page(self, page: str, target: str) -> str:
        """The address of the page after this one: with TLS as this one, also where a proxy in front hides that there
        is TLS from the registry.
        """
        url = self.led_to(page, target)
        here, there = urlsplit(page), urlsplit(url)
        hidden = here.scheme == "https" and there.scheme == "http" and here.hostname == there.hostname
        return urlunsplit(there._replace(scheme="https", netloc=here.netloc)) if hidden else url

    def ask(self, method: str, repository: str, path: str) -> httpx.Response:
        """Any response of the API, whatever its status: `path` is what follows `/v2/<repository>/`."""
        name = ImageReference(registry=self.host, repository=repository, tag="latest")
        return self._send(method, f"{self.root}/{repository}/{path}", name)

    def platforms_of(self, manifest: Manifest, reference: ImageReference, *, below: int = 0) -> tuple[Platform, ...]:
        """The platforms of an image whose manifest or index has been read, also of what an index says nothing about."""
        if not manifest.is_index:
            return (platform_from(self._config_of(manifest, reference), manifest.descriptor.digest),)
        found: list[Platform] = []
        for entry in manifest.content.get("manifests") or []:
            named = entry.get("platform") or {}
            if named.get("os"):
                found += [platform_from(named, entry["digest"])] if named["os"] != "unknown" else []
            elif below < DEPTH:
                inner = self._listed(reference.pinned(entry["digest"]), manifest)
                found += () if artifact(inner.content) else self.platforms_of(inner, reference, below=below + 1)
        return tuple(found)

    def _read_manifest(self, response: httpx.Response, name: str) -> tuple[dict[str, Any], str]:
        """The content and the media type of a manifest. Raises RegistryError for what nothing can be done by."""
        content = json_of(response, self._answering(response), self.host)
        media_type = type_of(content, _media_type(response))
        require_sound(content, media_type, f"that {self.server} has for {name}")
        return content, media_type

    def _for_platform(self, manifest: Manifest, reference: ImageReference, platform: str) -> Manifest:
        chain = chain_to(
            manifest,
            platform,
            lambda digest: self._listed(reference.pinned(digest), manifest),
            lambda below: self._own_platform(below, reference),
            name=f"{_shown(reference)} at {self.server}",
        )
        if chain:
            return chain[-1]
        there = ", ".join(map(str, self.platforms_of(manifest, reference))) or "no platform"
        raise RegistryError(
            f"{self.server} has {_shown(reference)} for {there}, not for {platform}",
            "choose a release that is published for this machine's architecture",
            status=404,
        )

    def _listed(self, reference: ImageReference, index: Manifest) -> Manifest:
        """A manifest that an index lists. Without it the image is there, and broken."""
        try:
            return self.manifest(reference)
        except RegistryError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise RegistryError(
                f"the index {index.descriptor.digest} lists a manifest that is not there: {error.message}",
                "push the image again, with all its platforms",
                status=HTTPStatus.OK,
            ) from error

    def _own_platform(self, manifest: Manifest, reference: ImageReference) -> Platform:
        """For what a manifest is by its configuration. Raises RegistryError for one that is no image's."""
        require_image(manifest.content, f"{_shown(reference)} at {self.server}")
        return platform_from(self._config_of(manifest, reference), manifest.descriptor.digest)

    def _config_digest(self, manifest: Manifest, reference: ImageReference) -> str:
        try:
            return str(manifest.content["config"]["digest"])
        except (KeyError, TypeError) as broken:
            raise RegistryError(
                f"the manifest of {_shown(reference)} has no image configuration", "push the image again"
            ) from broken

    def _config_of(self, manifest: Manifest, reference: ImageReference) -> Mapping[str, Any]:
        digest = self._config_digest(manifest, reference)
        response = self._request("GET", reference, "blobs", digest)
        if response.status_code != 200:
            refused = self.answered(response, f"{reference.repository}@{digest}")
            if refused.status != HTTPStatus.NOT_FOUND:
                raise refused
            # The image is there, without a part of it.
            raise RegistryError(refused.message, refused.next_step, status=HTTPStatus.OK)
        return json_of(response, self._answering(response), self.host)

    def _refused(self, response: httpx.Response, reference: ImageReference) -> RegistryError:
        hint = ""
        if response.status_code == 404 and self._is_none(response):
            return self._no_registry(_shown(reference))
        if response.status_code == 404 and reference.tag and not reference.digest:
            hidden = self._hidden_by_404(reference) if self._is_mirror else None
            if hidden is not None:
                return hidden
            hint = self._other_tags(reference)
        return self.answered(response, _shown(reference), hint)

    def _hidden_by_404(self, reference: ImageReference) -> RegistryError | None:
        """What the registry behind a mirror answers, where the mirror says 404 for a tag whatever that is; else None.

        A pull-through cache (distribution 3.1.2, registry/proxy/proxymanifeststore.go) says so of a tag also where the
        registry answered 401, 403, 429 or 5xx. By digest it hands the answer on: one that no image has gives 404 where
        the registry can be asked.
        """
        nobodys = ImageReference(registry=reference.registry, repository=reference.repository, digest=_NO_IMAGE)
        response = self._request("GET", nobodys, "manifests", _NO_IMAGE)
        if response.status_code == 404 and self._is_none(response):
            return self._no_registry(_shown(reference))
        if response.status_code not in (401, 403, 429) and response.status_code < 500:
            return None
        behind = self.answered(response, "a digest that no image has")
        return RegistryError(
            f"{self.server} answered 404 for {_shown(reference)}, which proves nothing: {behind.message}, and a "
            "pull-through cache answers 404 when the registry behind it refuses or fails",
            behind.next_step,
            status=behind.status,
        )

    def _other_tags(self, reference: ImageReference) -> str:
        try:
            response = self._send("GET", f"{self.root}/{reference.repository}/tags/list?n=200", reference)
            there = sorted(self._tags(response)) if response.status_code == 200 else []
        except RegistryError:
            # This only embellishes an error that is reported anyway.
            return ""
        near = difflib.get_close_matches(reference.tag, there, n=5, cutoff=0.4) or there[-5:]
        return f"the repository has {', '.join(near)}" if near else ""

    def _tags(self, response: httpx.Response) -> list[str]:
        listed = json_of(response, self._answering(response), self.host).get("tags")
        return [it for it in listed if isinstance(it, str)] if isinstance(listed, list) else []

    def _request(self, method: str, reference: ImageReference, kind: str, identifier: str) -> httpx.Response:
        return self._send(method, f"{self.root}/{reference.repository}/{kind}/{identifier}", reference)


def announced(response: httpx.Response) -> str:
    """The digest in the header of an answer; empty where it says none, which the specification leaves to registries."""
    said = str(response.headers.get("docker-content-digest", ""))
    return said if is_digest(said) else ""


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip()


def _shown(reference: ImageReference) -> str:
    return reference.repository + (f"@{reference.digest}" if reference.digest else f":{reference.tag}")
