# SPDX-License-Identifier: Apache-2.0
"""Looks up images in registries: existence, visibility, platforms, labels and signatures."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Self

from pydantic import SecretStr

from harness.errors import RegistryError, SettingsError
from harness.images import logins
from harness.images.logins import TokenFile
from harness.images.mirrors import MirrorMap
from harness.images.references import ImageReference
from harness.registries.client import Manifest, RegistryClient
from harness.registries.manifest_shape import artifact
from harness.registries.referrers import Referrer, in_index, referrers
from harness.settings import SourceKind

State = Literal["found", "missing", "refused", "unavailable"]

_THREADS = 6
_PREFIX = "org.opencontainers.image."


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The result of looking up one image. All fields but `state`, `message` and `server` need an image that was found.

    `state` is `unavailable` if no server for it could be reached: then nothing is known about the image, and what
    follows is about the foundry's own build, if there is one (`stand_in`). `message` is the answer in words. `size`
    is that of the manifest, in bytes. `labels` are those of the image configuration (of the first platform),
    `annotations` those of manifest or index, both of `org.opencontainers.image.*` only. `artifact` is what it
    is, if it is no container image. `unproven` says why signatures could not be looked up.
    """

    state: State
    message: str = ""
    server: str = ""
    digest: str = ""
    media_type: str = ""
    size: int = 0
    private: bool = False
    stand_in: bool = False
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact: str = ""
    proofs: tuple[Referrer, ...] = ()
    unproven: str = ""


class Eyes:
    """Looks up images through a source: the public registries, the mirrors, or the foundry's own registries.

    Each request is anonymous first, so that private images are recognised; then with this machine's login, that of
    `token_files` before others.
    """

    def __init__(
        self,
        kind: SourceKind,
        mirrors: MirrorMap,
        *,
        token_files: Mapping[str, TokenFile] = MappingProxyType({}),
        timeout: float = 10.0,
    ) -> None:
        self.kind = kind
        self._mirrors = mirrors
        self._token_files = token_files
        self._timeout = timeout
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str, bool], RegistryClient | None] = {}
        self._no_login: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            if client:
                client.close()

    def look_at(self, images: Iterable[ImageReference]) -> dict[str, Seen]:
        """Each image by its canonical name, looked up in parallel. Raises SettingsError for an unusable CA."""
        wanted = list(dict.fromkeys(images))
        with ThreadPoolExecutor(_THREADS) as pool:
            return dict(zip((it.canonical for it in wanted), pool.map(self.look, wanted), strict=True))

    def look(self, image: ImageReference) -> Seen:
        """One image. Raises SettingsError for an unusable CA or login."""
        if self._nobody_answers_for(image.registry):
            return Seen(state="unavailable", message=f"there is no server for {image.registry}: {self._why_nobody()}")
        stranger = self._client(image, known=False)
        if stranger is None:
            raise SettingsError(f"there is no client for {image.registry}", "use another source")
        try:
            return self._described(stranger, image, private=False)
        except RegistryError as refusal:
            first = refusal
        # Some registries say 404 to whoever may not see an image, and a limit is that of this address alone.
        may_help = first.status in (401, 403, 404, 429)
        known = self._client(image, known=True) if may_help else None
        if known is None:
            why = self._no_login.get(image.registry) if may_help else ""
            told = f"{first.message}; no login was tried, since {why}" if why else first.message
            return self._not_seen(stranger, RegistryError(told, first.next_step, status=first.status))
        try:
            return self._described(known, image, private=first.status != 429)
        except RegistryError as refusal:
            # A login that is worth nothing does not make the answer to everybody wrong.
            is_worse = refusal.status in (401, 403) and first.status not in (401, 403)
            return self._not_seen(stranger, first) if is_worse else self._not_seen(known, refusal)

    def _described(self, client: RegistryClient, image: ImageReference, *, private: bool) -> Seen:
        manifest = client.manifest(image)
        pinned = image.pinned(manifest.descriptor.digest)
        what = artifact(manifest.content)
        platforms = () if what else client.platforms(pinned)
        proofs, unproven = _proofs(client, image.repository, manifest)
        labels: Mapping[str, object] = {}
        if platforms:
            labels = _labels(client.config(pinned, platform=str(platforms[0])))
        stand_in = self.kind == "foundry"
        return Seen(
            state="unavailable" if stand_in else "found",
            message="only the foundry's own build is available, which says nothing about the published image"
            if stand_in
            else "",
            stand_in=stand_in,
            server=client.server,
            digest=manifest.descriptor.digest,
            media_type=manifest.descriptor.media_type,
            size=manifest.descriptor.size,
            private=private,
            platforms=tuple(map(str, platforms)),
            labels=_ours(labels),
            annotations=_ours(manifest.content.get("annotations") or {}),
            artifact=what,
            proofs=proofs,
            unproven=unproven,
        )

    def _not_seen(self, client: RegistryClient, refusal: RegistryError) -> Seen:
        if refusal.status in (401, 403):
            return Seen(state="refused", message=refusal.message, server=client.server)
        if refusal.status != 404:
            return Seen(state="unavailable", message=refusal.message, server=client.server)
        if self.kind == "foundry":
            # What was not built here may well be published.
            return Seen(state="unavailable", message="the foundry has not built it", server=client.server)
        return Seen(state="missing", message=refusal.message, server=client.server)

    def _nobody_answers_for(self, host: str) -> bool:
        return self.kind != "upstream" and host not in self._mirrors.mirrors

    def _why_nobody(self) -> str:
        there = ", ".join(self._mirrors.mirrors) or "no registry host"
        if self.kind == "foundry":
            return f"the public registries cannot be reached, and the foundry has images of {there}"
        return f"the mirror map has {there}"

    def _client(self, image: ImageReference, *, known: bool) -> RegistryClient | None:
        """The anonymous client, or the one that logs in; None without a login."""
        host = image.registry
        is_own = known and host not in self._mirrors.mirrors
        part = logins.namespace(host, self._token_files, image.repository) if is_own else ""
        with self._lock:
            if (host, part, known) not in self._clients:
                self._clients[host, part, known] = self._connect(host, part, known=known)
            return self._clients[host, part, known]

    def _connect(self, host: str, part: str, *, known: bool) -> RegistryClient | None:
        mirror = self._mirrors.mirrors.get(host)
        login = mirror.credentials if mirror and known else None
        if known and not mirror:
            login, self._no_login[host] = logins.for_pulls(host, self._token_files, part)
        if known and login is None:
            return None
        if mirror:
            mirror = mirror.model_copy(update={"username": "", "password": SecretStr("")})
        return RegistryClient(mirror, host, credentials=login, timeout=self._timeout)


def _proofs(client: RegistryClient, repository: str, manifest: Manifest) -> tuple[tuple[Referrer, ...], str]:
    """The image's referrers; and why they could not be looked up, since that does not make an image unsigned."""
    inside = in_index(manifest.content)
    try:
        return (*inside, *referrers(client, repository, manifest.descriptor.digest)), ""
    except RegistryError as refused:
        return inside, refused.message


def _labels(config: Mapping[str, Any]) -> Mapping[str, object]:
    """The labels of an image, none where a registry has something else in their place."""
    inner = config.get("config")
    labels = inner.get("Labels") if isinstance(inner, dict) else None
    return labels if isinstance(labels, dict) else {}


def _ours(labels: Mapping[str, object]) -> dict[str, str]:
    return {key: str(value) for key, value in sorted(labels.items()) if key.startswith(_PREFIX)}
