# SPDX-License-Identifier: Apache-2.0
"""A registry client: digests, manifests, configurations and tags by the OCI distribution API."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

from harness.errors import RegistryError, SettingsError
from harness.images.credentials import Credentials
from harness.images.mirrors import Mirror, api_root
from harness.images.references import DOCKER_HUB, ImageReference
from harness.late import httpx
from harness.registries.problems import answered, unreachable
from harness.waiting import pause

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)

_NO_IMAGE = f"sha256:{hashlib.sha256(b'no image has this digest').hexdigest()}"

_ACCEPT = {"Accept": ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))}
_LONGEST_PAUSE = 10.0
_MOST_PAGES = 50
_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass(frozen=True, kw_only=True)
class Descriptor:
    """The descriptor of a manifest; `size` is in bytes."""

    digest: str
    media_type: str
    size: int

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests of several platforms."""
        return self.media_type in INDEX_TYPES


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A manifest or an index with its parsed content."""

    descriptor: Descriptor
    content: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An image for one operating system and architecture; `digest` is that of its manifest."""

    os: str
    architecture: str
    variant: str = ""
    digest: str

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class RegistryClient:
    """A client for a registry host: it talks to the host's mirror if there is one, else to the public registry.

    `timeout` is in seconds, for connecting and for each read. 429 and 5xx are retried up to `attempts` times,
    `Retry-After` honoured up to ten seconds. May be used by several threads. Raises RegistryError for every response
    that is not the expected one, and SettingsError for a CA file that cannot be used.
    """

    actions = "pull"
    """The actions that tokens are requested for: the last part of the scope."""

    def __init__(
        self,
        mirror: Mirror | None,
        host: str,
        *,
        credentials: Credentials | None = None,
        timeout: float = 10.0,
        attempts: int = 3,
    ) -> None:
        self.host = host
        self.root = api_root(address_of(mirror, host))
        self._credentials = (mirror.credentials if mirror else None) or credentials
        self._mirror = mirror
        self._attempts = attempts
        self._lock = threading.Lock()
        self._authorizations: dict[str, str] = {}
        # A proxy of the environment has no say about addresses of this machine.
        self._http = httpx.Client(
            timeout=timeout,
            follow_redirects=True,
            trust_env=not _is_loopback(urlsplit(self.root).hostname or ""),
            verify=_tls(mirror, host),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def _is_mirror(self) -> bool:
        return self.root != api_root(address_of(None, self.host))

    @property
    def server(self) -> str:
        """The server's name for messages: `ghcr.io`, or `the mirror http://127.0.0.1:5000 of ghcr.io`."""
        if not self._is_mirror:
            return self.host
        return f"the mirror {self.root.removesuffix('/v2')} of {self.host}"

    def ping(self) -> None:
        """Check that a registry answers; a request to log in counts as an answer."""
        try:
            response = self._http.get(f"{self.root}/")
        except httpx.HTTPError as error:
            raise unreachable(self.server, self.host, error) from error
        challenged = response.status_code == 401 and "www-authenticate" in response.headers
        if response.status_code != 200 and not challenged:
            raise answered(self.server, self.host, response, "/v2/")
        if response.status_code == 200 and "html" in response.headers.get("content-type", ""):
            raise RegistryError(
                f"{self.server} answered with a web page instead of JSON",
                "look for a captive portal or proxy between this machine and the registry",
                status=200,
            )

    def head(self, reference: ImageReference) -> Descriptor:
        """The descriptor of a tag or digest, by HEAD where the registry supports it."""
        response = self._request("HEAD", reference, "manifests", reference.identifier)
        digest = response.headers.get("docker-content-digest", "")
        media_type = _media_type(response)
        if response.status_code == 200 and digest and media_type in (*INDEX_TYPES, *MANIFEST_TYPES):
            size = int(response.headers.get("content-length") or 0)
            return Descriptor(digest=digest, media_type=media_type, size=size)
        if response.status_code == 429 or response.status_code >= 500:
            # Docker Hub counts each GET against the rate limit.
            raise self._refused(response, reference)
        # An answer to HEAD has no body to explain itself, and the digest header is optional in the specification.
        return self.manifest(reference).descriptor

    def manifest(self, reference: ImageReference) -> Manifest:
        """The manifest or index of a tag or digest; its digest is verified."""
        response = self._request("GET", reference, "manifests", reference.identifier)
        if response.status_code != 200:
            raise self._refused(response, reference)
        content = _json(response)
        media_type = str(content.get("mediaType") or _media_type(response))
        if media_type not in (*INDEX_TYPES, *MANIFEST_TYPES):
            raise RegistryError(
                f"{self.server} answered with {media_type or 'no media type'} for {_shown(reference)}, "
                "which is not an image manifest",
                "check that the name is that of an image and the address that of a registry",
                status=200,
            )
        digest = f"sha256:{hashlib.sha256(response.content).hexdigest()}"
        claimed = reference.digest or response.headers.get("docker-content-digest") or digest
        if claimed.startswith("sha256:") and claimed != digest:
            raise RegistryError(
                f"{self.server} sent a manifest with digest {digest} for {_shown(reference)}, but announced {claimed}",
                "a proxy between this machine and the registry alters content, or the registry's storage is corrupt",
                status=200,
            )
        return Manifest(
            descriptor=Descriptor(digest=claimed, media_type=media_type, size=len(response.content)), content=content
        )

    def platforms(self, reference: ImageReference) -> tuple[Platform, ...]:
        """The platforms of an image, without attestations."""
        return self._platforms_of(self.manifest(reference), reference)

    def config(self, reference: ImageReference, *, platform: str = "linux/amd64") -> Mapping[str, Any]:
        """The image configuration (its `config.Labels`, `history`, …) for a platform."""
        manifest = self._for_platform(self.manifest(reference), reference, platform)
        return self._config_of(manifest, reference)

    def digests(self, reference: ImageReference, *, platform: str = "linux/amd64") -> frozenset[str]:
        """The digests by which a node may know the image: of the tag, of the platform's manifest, of its configuration.

        The last one says what content it is, whatever lists it: containerd keeps an image by it.
        """
        top = self.manifest(reference)
        own = self._for_platform(top, reference, platform)
        return frozenset({top.descriptor.digest, own.descriptor.digest, self._config_digest(own, reference)})

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository, sorted."""
        reference = ImageReference(registry=self.host, repository=repository, tag="latest")
        found: set[str] = set()
        url = f"{self.root}/{repository}/tags/list"
        for _ in range(_MOST_PAGES):
            response = self._send("GET", url, reference)
            if response.status_code != 200:
                raise answered(self.server, self.host, response, repository)
            found.update(_json(response).get("tags") or [])
            following = response.links.get("next", {}).get("url")
            if not following:
                break
            url = urljoin(url, following)
        return sorted(found)

    def ask(self, method: str, repository: str, path: str) -> httpx.Response:
        """Any response of the API, whatever its status: `path` is what follows `/v2/<repository>/`."""
        name = ImageReference(registry=self.host, repository=repository, tag="latest")
        return self._send(method, f"{self.root}/{repository}/{path}", name)

    def _platforms_of(self, manifest: Manifest, reference: ImageReference) -> tuple[Platform, ...]:
        if not manifest.descriptor.is_index:
            return (_platform(self._config_of(manifest, reference), manifest.descriptor.digest),)
        return tuple(
            _platform(entry["platform"], entry["digest"])
            for entry in manifest.content.get("manifests", [])
            if entry.get("platform", {}).get("os", "unknown") != "unknown"
        )

    def _for_platform(self, manifest: Manifest, reference: ImageReference, platform: str) -> Manifest:
        if not manifest.descriptor.is_index:
            return manifest
        there = self._platforms_of(manifest, reference)
        for one in there:
            if platform in (str(one), f"{one.os}/{one.architecture}"):
                return self.manifest(reference.pinned(one.digest))
        raise RegistryError(
            f"{self.server} has {_shown(reference)} for {', '.join(map(str, there)) or 'no platform'}, "
            f"not for {platform}",
            "choose a release that is published for this machine's architecture",
            status=404,
        )

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
            raise answered(self.server, self.host, response, f"{reference.repository}@{digest}")
        return _json(response)

    def _refused(self, response: httpx.Response, reference: ImageReference) -> RegistryError:
        hint = ""
        if response.status_code == 404 and reference.tag and not reference.digest:
            hidden = self._hidden_by_404(reference) if self._is_mirror else None
            if hidden is not None:
                return hidden
            hint = self._other_tags(reference)
        return answered(self.server, self.host, response, _shown(reference), hint)

    def _hidden_by_404(self, reference: ImageReference) -> RegistryError | None:
        """What the registry behind a mirror answers, where the mirror says 404 for a tag whatever that is; else None.

        A pull-through cache (distribution 3.1.2, registry/proxy/proxymanifeststore.go) says so of a tag also where the
        registry answered 401, 403, 429 or 5xx. By digest it hands the answer on: one that no image has gives 404 where
        the registry can be asked.
        """
        nobodys = ImageReference(registry=reference.registry, repository=reference.repository, digest=_NO_IMAGE)
        response = self._request("GET", nobodys, "manifests", _NO_IMAGE)
        if response.status_code not in (401, 403, 429) and response.status_code < 500:
            return None
        behind = answered(self.server, self.host, response, "a digest that no image has")
        return RegistryError(
            f"{self.server} answered 404 for {_shown(reference)}, which says nothing: {behind.message}, and a cache "
            "answers so where the registry behind it refuses or fails",
            behind.next_step,
            status=behind.status,
        )

    def _other_tags(self, reference: ImageReference) -> str:
        try:
            response = self._send("GET", f"{self.root}/{reference.repository}/tags/list?n=200", reference)
            there = sorted(_json(response).get("tags") or []) if response.status_code == 200 else []
        except RegistryError:
            # This only embellishes an error that is reported anyway.
            return ""
        near = difflib.get_close_matches(reference.tag, there, n=5, cutoff=0.4) or there[-5:]
        return f"the repository has {', '.join(near)}" if near else ""

    def _request(self, method: str, reference: ImageReference, kind: str, identifier: str) -> httpx.Response:
        return self._send(method, f"{self.root}/{reference.repository}/{kind}/{identifier}", reference)

    def _send(self, method: str, url: str, reference: ImageReference) -> httpx.Response:
        for attempt in range(1, self._attempts + 1):
            response = self._send_authorized(method, url, reference)
            seconds = _pause_before_next(response, attempt)
            if seconds is None or attempt == self._attempts:
                break
            pause(seconds, what=f"{self.server} to accept requests again")
        return response

    def _send_authorized(self, method: str, url: str, reference: ImageReference) -> httpx.Response:
        scope = self._scope(reference.repository)
        authorization = self._authorization(scope)
        response = self._once(method, url, authorization)
        if response.status_code == 401:
            granted = self._renewed(response, scope, authorization)
            if granted:
                response = self._once(method, url, granted)
        return response

    def _scope(self, repository: str) -> str:
        return f"repository:{repository}:{self.actions}"

    def _authorization(self, scope: str) -> str | None:
        """The Authorization header for a first request within this scope; None if no token was requested yet."""
        with self._lock:
            return self._authorizations.get(scope)

    def _renewed(self, refusal: httpx.Response, scope: str, tried: str | None) -> str:
        """The header to try after a challenge, cached for later requests; empty when there is no other than `tried`."""
        granted = self._authorize(refusal, scope)
        if not granted or granted == tried:
            return ""
        with self._lock:
            self._authorizations[scope] = granted
        return granted

    def _once(self, method: str, url: str, authorization: str | None) -> httpx.Response:
        headers = {**_ACCEPT, "Authorization": authorization} if authorization else _ACCEPT
        try:
            return self._http.request(method, url, headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(self.server, self.host, error) from error

    def _authorize(self, refusal: httpx.Response, scope: str) -> str:
        """The Authorization header that a challenge asks for; empty without credentials for it."""
        scheme, _, rest = refusal.headers.get("www-authenticate", "").partition(" ")
        if scheme.lower() == "basic":
            return self._credentials.basic().get_secret_value() if self._credentials else ""
        if scheme.lower() != "bearer":
            return ""
        asked = {key: quoted or bare for key, quoted, bare in _PARAMETER.findall(rest)}
        realm = urljoin(self.root, asked.get("realm", ""))
        query = {key: value for key, value in {"service": asked.get("service", ""), "scope": scope}.items() if value}
        response = self._fetch_token(realm, query)
        if response.status_code != 200:
            raise answered(f"{self.server}'s token server {urlsplit(realm).netloc}", self.host, response, scope)
        answer = _json(response)
        token = answer.get("token") or answer.get("access_token")
        return f"Bearer {token}" if token else ""

    def _fetch_token(self, realm: str, query: Mapping[str, str]) -> httpx.Response:
        """Docker's token protocol (distribution docs, spec/auth/token and spec/auth/oauth)."""
        login = self._credentials
        if login:
            self._require_trusted(realm)
        identity = login.identity_token.get_secret_value() if login else ""
        try:
            if identity:
                form = {**query, "grant_type": "refresh_token", "refresh_token": identity, "client_id": "harness"}
                return self._http.post(realm, data=form)
            headers = {"Authorization": login.basic().get_secret_value()} if login else {}
            return self._http.get(realm, params=dict(query), headers=headers)
        except httpx.HTTPError as error:
            raise unreachable(f"{self.server}'s token server {urlsplit(realm).netloc}", self.host, error) from error

    def _require_trusted(self, realm: str) -> None:
        """Raise SettingsError rather than send the login to where the registry, or whoever answers for it, points.

        Never from https to http. A mirror's goes to no other host than the mirror's own and those of its row.
        """
        own, asked = urlsplit(self.root), urlsplit(realm)
        if own.scheme == "https" and asked.scheme != "https":
            raise SettingsError(
                f"{self.server} wants the login at {realm}, without encryption; it was not sent",
                "have the registry's operator correct its realm; until then leave out the login",
            )
        known = (own.hostname, *(self._mirror.token_servers if self._mirror else ()))
        if self._mirror and asked.hostname not in known and asked.netloc not in known:
            raise SettingsError(
                f"{self.server} wants the login at {realm}, another host; it was not sent",
                f'if that is its token server, add token_servers = ["{asked.netloc}"] to the mirror\'s row',
            )


def address_of(mirror: Mirror | None, host: str) -> str:
    """The server that answers for a registry host: its mirror's for this machine, or the public one's."""
    if mirror:
        return mirror.reachable_url
    if host == DOCKER_HUB:
        return "https://registry-1.docker.io"
    return f"{'http' if _is_loopback(host.rsplit(':', 1)[0]) else 'https'}://{host}"


def _is_loopback(hostname: str) -> bool:
    return hostname in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d+){3}", hostname) is not None


def _tls(mirror: Mirror | None, host: str) -> ssl.SSLContext:
    context = httpx.create_ssl_context()
    # As on a node: the system's certificates count too, and the mirror's own CA comes on top.
    context.load_default_certs()
    if mirror and mirror.ca:
        try:
            context.load_verify_locations(cafile=str(mirror.ca))
        except (OSError, ssl.SSLError) as broken:
            raise SettingsError(
                f"the CA file {mirror.ca} of the mirror for {host} cannot be used: {broken}",
                "give a PEM file of the CA",
            ) from broken
    return context


def _pause_before_next(response: httpx.Response, attempt: int) -> float | None:
    """Seconds to wait before the next attempt; None when a retry makes no sense."""
    if response.status_code != 429 and response.status_code < 500:
        return None
    asked = response.headers.get("retry-after", "")
    seconds = float(asked) if asked.isdecimal() else 0.5 * 2 ** (attempt - 1)
    return seconds if seconds <= _LONGEST_PAUSE else None


def _media_type(response: httpx.Response) -> str:
    return str(response.headers.get("content-type", "")).partition(";")[0].strip()


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        content = json.loads(response.content)
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise RegistryError(
            f"{response.url.host} did not answer with JSON for {response.url.path}: {response.text[:80]!r}",
            "look for a proxy between this machine and the registry",
            status=response.status_code,
        )
    return content


def _platform(fields: Mapping[str, Any], digest: str) -> Platform:
    return Platform(
        os=str(fields.get("os", "")),
        architecture=str(fields.get("architecture", "")),
        variant=str(fields.get("variant") or ""),
        digest=digest,
    )


def _shown(reference: ImageReference) -> str:
    return reference.repository + (f"@{reference.digest}" if reference.digest else f":{reference.tag}")
