# SPDX-License-Identifier: Apache-2.0
"""Fetches images into the cache: what a registry has is asked by HEAD, and what the cache lacks is fetched by digest.

A pull-through cache would ask as well, but turns what the registry answers into other answers: distribution 3.1.2 says
404 of a tag where the registry said 401, 403, 429 or 503, and goes on serving tags that the registry has deleted.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Any

from harness.errors import DiskError, HarnessError, RegistryError, UnavailableError
from harness.image_cache.cache import CachedImage, Content, ImageCache
from harness.images.references import ImageReference
from harness.registries.manifest_shape import require_image, require_unpackable
from harness.registries.platform_choice import Platform, chain_to, entry_for, listed_platforms, platform_from
from harness.registries.push import RawManifest, Transfer
from harness.waiting import Cancelled, Deadline, cancelled
from harness.wording import counted

_LOOKS = 8
_DOWNLOADS = 6
_LOOK_SECONDS = 0.5
_CONFIGS = 4_000_000
"""A configuration is read as a whole; 4 MiB is what registries allow for a manifest."""

Connect = Callable[[ImageReference], Transfer]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a registry said of an image: its digest, or why there is none.

    `cached` is the image in the cache, where that is there; `pulls` are the GET requests of manifests that fetching it
    takes. One that is `private` is given to nobody without a login.
    """

    image: ImageReference
    digest: str = ""
    cached: CachedImage | None = None
    pulls: int = 0
    private: bool = False
    error: UnavailableError | None = None

    @property
    def to_fetch(self) -> bool:
        """Whether it is to be fetched into the cache."""
        return self.cached is None and self.error is None and not self.private


@dataclass
class _Arrival:
    asked: Asked
    done: Future[CachedImage] = field(default_factory=Future)


class Filling:
    """Fills a cache from registries, for nodes of one platform. May be used by several threads; `close` it.

    `connect` gives the client to ask for an image with, and `anonymous` one without a login, where images that need one
    are to be left alone. `arrived` is called with each image that is there, in any thread.
    """

    def __init__(
        self,
        cache: ImageCache,
        connect: Connect,
        *,
        platform: str,
        anonymous: Connect | None = None,
        arrived: Callable[[CachedImage], None] = lambda image: None,
    ) -> None:
        self._cache = cache
        self._connect = connect
        self._anonymous = anonymous
        self._platform = platform
        self._arrived = arrived
        self._looks = ThreadPoolExecutor(_LOOKS, "images")
        self._downloads = ThreadPoolExecutor(_DOWNLOADS, "blobs")
        self._lock = threading.Lock()
        self._arrivals: dict[str, _Arrival] = {}
        self._clients: set[Transfer] = set()

    def ask(self, references: Iterable[str]) -> list[Asked]:
        """Ask for each image by HEAD, all at the same time. What is in the cache is there from now on."""
        return list(self._looks.map(self._ask, dict.fromkeys(references)))

    def fetch(self, asked: Sequence[Asked]) -> dict[str, HarnessError]:
        """Begin to fetch these; returns when their manifests are read, with the error of each that cannot be had.

        The layers follow, of which `wait` waits for those of one image.
        """
        begun = list(self._looks.map(self._begin, [it for it in asked if it.to_fetch]))
        return {reference: error for reference, error in begun if error is not None}

    def wait(self, reference: str, timeout: float) -> CachedImage | None:
        """Wait for an image that is being fetched; None for one that is not.

        Raises HarnessError, TimeoutError, and Cancelled when the run is being stopped.
        """
        with self._lock:
            arrival = self._arrivals.get(ImageReference.parse(reference).canonical)
        deadline = Deadline(seconds=timeout)
        while arrival and not arrival.done.done():
            if cancelled():
                raise Cancelled(f"gave up waiting for {reference}: the run is being stopped")
            if not deadline.left:
                raise TimeoutError
            wait_for([arrival.done], min(_LOOK_SECONDS, deadline.left))
        return arrival.done.result() if arrival else None

    def close(self) -> None:
        """End what is being fetched. The connections belong to whoever gave them."""
        for client in self._clients:
            client.ended.set()
        for pool in (self._looks, self._downloads):
            pool.shutdown(wait=True, cancel_futures=True)
        for arrival in self._arrivals.values():
            arrival.done.cancel()

    def _ask(self, reference: str) -> Asked:
        image = ImageReference.parse(reference)
        try:
            found = self._connect(image).head(image)
            private = not self._is_public(image)
        except UnavailableError as error:
            return Asked(image=image, error=error)
        if private:
            return Asked(image=image, digest=found.digest, private=True)
        cached = self._cache.find(image, found.digest, self._platform)
        if cached is not None:
            self._cache.record(cached)
            self._arrived(cached)
            return Asked(image=image, digest=found.digest, cached=cached)
        known = self._cache.manifest(found.digest)
        pulls = 0 if known else 1
        if found.is_index:
            below = entry_for(known.content, self._platform) if known else ""
            pulls += 0 if below and self._cache.manifest(below) else 1
        return Asked(image=image, digest=found.digest, pulls=pulls)

    def _is_public(self, image: ImageReference) -> bool:
        if self._anonymous is None:
            return True
        try:
            self._anonymous(image).head(image)
        except RegistryError as error:
            if error.status in (401, 403, 404):
                return False
            # A limit is about this address, and whoever has logged in may go on: docker.io answers HEAD so, too.
            if error.status != 429:
                raise
        return True

    def _begin(self, asked: Asked) -> tuple[str, HarnessError | None]:
        reference = asked.image.canonical
        with self._lock:
            if reference in self._arrivals:
                return reference, None
            arrival = self._arrivals[reference] = _Arrival(asked=asked)
        try:
            client = self._connect(asked.image)
            self._clients.add(client)
            image = self._described(client, asked)
        except (HarnessError, OSError) as error:
            told = error if isinstance(error, HarnessError) else self._no_room(reference, error)
            arrival.done.set_exception(told)
            return reference, told
        blobs = [self._downloads.submit(self._layer, client, asked.image, it) for it in image.blobs]
        left = _Countdown(len(blobs), lambda error: self._finish(arrival, image, error))
        for it in blobs:
            it.add_done_callback(left)
        return reference, None

    def _finish(self, arrival: _Arrival, image: CachedImage, error: BaseException | None) -> None:
        if error is None:
            try:
                self._cache.record(image)
                self._arrived(image)
            except OSError as full:
                error = self._no_room(image.reference, full)
        if error is not None:
            arrival.done.set_exception(error)
            return
        arrival.done.set_result(image)

    def _described(self, client: Transfer, asked: Asked) -> CachedImage:
        """The image by its manifests, which are stored, and by its configuration, which says for what it is."""
        top = self._manifest(client, asked.image, asked.digest)
        said: list[Platform] = []

        def platform_of(manifest: RawManifest) -> Platform:
            said.append(self._platform_said(client, asked.image, manifest))
            return said[-1]

        name = f"{asked.image} at {client.server}"
        manifests = chain_to(
            top, self._platform, lambda it: self._manifest(client, asked.image, it), platform_of, name=name
        )
        if not manifests:
            there = [str(it) for it in listed_platforms(top.content) or said]
            raise _wrong_platform(client, asked.image, there, self._platform)
        own = manifests[-1]
        require_usable(own, name)
        config = own.content["config"]
        # Also of an index: where content is on a host that is blocked, this is known now, and not with a cluster made.
        require_unpackable(own.content, _json(self._config(client, asked.image, own)), name)
        return CachedImage(
            reference=asked.image.canonical,
            digest=top.digest,
            own=own.digest,
            config=str(config["digest"]),
            platform=self._platform,
            manifests=tuple(Content(digest=it.digest, size=len(it.raw)) for it in manifests),
            # A layer may be listed more than once.
            blobs=tuple({it["digest"]: Content(digest=it["digest"], size=it["size"]) for it in own.blobs}.values()),
        )

    def _manifest(self, client: Transfer, image: ImageReference, digest: str) -> RawManifest:
        known = self._cache.manifest(digest)
        if known is not None:
            return known
        found = client.raw(image.repository, digest)
        if found is None:
            raise RegistryError(
                f"{client.server} answered 404 for the manifest {image.name}@{digest}, which it names itself",
                "push the image again, with all its platforms",
                status=200,
            )
        self._cache.write_manifest(found)
        return found

    def _config(self, client: Transfer, image: ImageReference, manifest: RawManifest) -> bytes:
        """The configuration that a usable manifest names."""
        config = manifest.content["config"]
        about = Content(digest=str(config["digest"]), size=int(config["size"]))
        if about.size > _CONFIGS:
            raise RegistryError(f"the configuration of {image} has {about.size} bytes", "push the image again")
        self._layer(client, image, about)
        return self._cache.data(about.digest).read_bytes()

    def _platform_said(self, client: Transfer, image: ImageReference, manifest: RawManifest) -> Platform:
        """For what a manifest is by its configuration. Raises UnavailableError where that is none of an image."""
        require_usable(manifest, f"{image} at {client.server}")
        said = _json(self._config(client, image, manifest))
        if not isinstance(said, dict) or not said.get("os"):
            raise UnavailableError(
                f"{image} at {client.server} is no container image: its configuration "
                f"{manifest.content['config']['digest']} names no operating system",
                "check the image's name: a chart or another artifact may have it",
            )
        return platform_from(said, manifest.digest)

    def _layer(self, client: Transfer, image: ImageReference, content: Content) -> None:
        try:
            with self._cache.arriving(content.digest) as file:
                if file is not None:
                    client.download(image.repository, content.digest, content.size, file)
        except OSError as full:
            raise self._no_room(f"{content.digest} of {image}", full) from full

    def _no_room(self, what: str, full: OSError) -> DiskError:
        return DiskError(
            f"{what} cannot be stored in {self._cache.root}: {full.strerror}",
            "free some space, or give image_cache_gb in harness.toml a smaller value",
        )


def _json(content: bytes) -> Any:
    """What JSON holds; None for what is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


class _Countdown:
    """Calls `done` once, when the last of some futures has ended or the first has failed."""

    def __init__(self, number: int, done: Callable[[BaseException | None], None]) -> None:
        self._left = number
        self._done = done
        self._lock = threading.Lock()
        self._told = False

    def __call__(self, future: Future[None]) -> None:
        error = _ended_by(future)
        with self._lock:
            self._left -= 1
            if self._told or (self._left and error is None):
                return
            self._told = True
        self._done(error)


def _ended_by(future: Future[None]) -> BaseException | None:
    if future.cancelled():
        return HarnessError("the fetch was ended", "start it again: it goes on where it stopped")
    return future.exception()


def require_usable(manifest: RawManifest, name: str) -> None:
    """Raise UnavailableError where nodes cannot make a container of an image that is there."""
    require_image(manifest.content, name)
    if not manifest.content.get("config") or "layers" not in manifest.content:
        raise UnavailableError(
            f"{name} is of the type {manifest.media_type}, which containerd no longer pulls",
            "push the image again with a current client, for example by crane copy",
        )
    encrypted = [it for it in manifest.content["layers"] or [] if str(it.get("mediaType", "")).endswith("+encrypted")]
    if encrypted:
        raise UnavailableError(
            f"{name} has {counted(len(encrypted), 'encrypted layer')}, for which the nodes have no key",
            "choose an image without encryption",
        )
    elsewhere = [it for it in manifest.content["layers"] or [] if it.get("urls")]
    if elsewhere:
        raise UnavailableError(
            f"{name} has {counted(len(elsewhere), 'foreign layer')}, stored elsewhere",
            "push the image with all of its layers",
        )


def _wrong_platform(client: Transfer, image: ImageReference, there: Sequence[str], platform: str) -> UnavailableError:
    return UnavailableError(
        f"{image} is published for {', '.join(there) or 'no platform'}, not for {platform}, which the nodes of this "
        f"machine are (by {client.server})",
        "choose an image that is published for this machine's architecture",
    )
