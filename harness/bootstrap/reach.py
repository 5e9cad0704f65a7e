# SPDX-License-Identifier: Apache-2.0
"""What of the registries works from this machine: names, proxies, certificates, clocks, logins, limits and content.

Read-only, and free: whatever would count as a pull is left out, and said to be. All hosts at the same time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness import process
from harness.bootstrap.prerequisite import Prerequisite, failure, ok, warning
from harness.errors import CommandError, HarnessError, RegistryError
from harness.host import clock
from harness.image_cache.cache import ImageCache
from harness.images import logins
from harness.images.architecture import of_nodes
from harness.images.references import PUBLIC_HOSTS, ImageReference
from harness.kube.pull_messages import PullsLeft
from harness.registries import limits
from harness.registries.by_proxy import proxy_for
from harness.registries.client import RegistryClient
from harness.registries.connection import address_of
from harness.registries.presented import wrong_clock
from harness.settings import Settings
from harness.waiting import Deadline

SECONDS = 10.0
_REQUEST_SECONDS = 4.0
_ENGINE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class _Registry:
    """A registry host to be looked at, by an image that runs pull from it, if there is one."""

    host: str
    image: ImageReference | None


def examine(settings: Settings, images: Iterable[str], *, seconds: float = SECONDS) -> list[Prerequisite]:
    """Look at every registry that runs would ask: the public ones, and those of the mirror map.

    `images` are some that runs pull: the first of each host is asked for. Takes `seconds` at most.
    """
    deadline = Deadline(seconds=seconds)
    known: dict[str, ImageReference] = {}
    for image in map(ImageReference.parse, images):
        known.setdefault(image.registry, image)
    hosts = dict.fromkeys((*PUBLIC_HOSTS, *settings.mirrors))
    found: dict[str, list[Prerequisite]] = {host: [] for host in hosts}
    clocks: dict[str, str] = {}

    def look(host: str) -> None:
        registry = _Registry(host=host, image=known.get(host))
        try:
            for it in _of_registry(settings, registry, lambda date: clocks.__setitem__(host, date)):
                found[host].append(it)
        except HarnessError as error:
            found[host].append(warning(f"registry {host}", error.message, error.next_step))

    threads = [threading.Thread(target=look, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        # Daemons, since a name server that keeps silent is heard out by getaddrinfo, which no timeout ends.
        thread.start()
    about_engine = _engine_proxy()
    for thread in threads:
        thread.join(deadline.left)
    rows = [it for host in hosts for it in [*found[host]] or [_silent(host, seconds)]]
    return [*rows, *_clock(dict(clocks)), *about_engine, _cached(settings)]


def _of_registry(settings: Settings, registry: _Registry, heard: Callable[[str], None]) -> Iterator[Prerequisite]:
    """What is found of one host, as it is found. `heard` gets the server's date. Raises HarnessError."""
    host, mirror = registry.host, settings.mirrors.get(registry.host)
    login, failed = None, ""
    try:
        login = (
            None if mirror else logins.find(host, settings.logins, registry.image.repository if registry.image else "")
        )
    except CommandError as helper:
        # As for pulls, which go on without a login.
        failed = f", since {helper.message}"
    credentials = login.credentials if login else None
    name = f"mirror of {host}" if mirror else f"registry {host}"
    began = time.monotonic()
    with RegistryClient(mirror, host, credentials=credentials, timeout=_REQUEST_SECONDS, attempts=1) as client:
        client.ping()
        took = time.monotonic() - began
        proxy = proxy_for(address_of(mirror, host))
        who = (
            f"as {login.credentials.username or 'somebody'}, by {login.origin}" if login else f"without a login{failed}"
        )
        who = f"as {mirror.username}, by the mirror map" if mirror and mirror.username else who
        way = f", through the proxy {proxy}" if proxy else ""
        yield ok(name, f"answers in {took:.1f} s{way}; it is asked {who}")
        if registry.image is None:
            return
        image = registry.image
        try:
            response = client.ask("HEAD", image.repository, f"manifests/{image.identifier}")
            heard(response.headers.get("date", ""))
            descriptor = client.head(image)
        except RegistryError as error:
            yield warning(f"image {image}", error.message, error.next_step)
            return
        left = limits.pulls_left_in(response.headers)
        yield _image(image, descriptor.digest, left)
        yield from _content(settings, client, image, limited=left is not None or mirror is not None)


def _image(image: ImageReference, digest: str, left: PullsLeft | None) -> Prerequisite:
    told = f"there, {digest[:19]}…"
    if left is None:
        return ok(f"image {image}", f"{told}; its registry tells of no limit")
    if left.remaining == 0:
        step = f"wait until the window ends, log in (docker login {image.registry}), or use a mirror"
        return warning(f"image {image}", f"{told}; {left}", step)
    return ok(f"image {image}", f"{told}; {left}")


def _content(
    settings: Settings, client: RegistryClient, image: ImageReference, *, limited: bool
) -> Iterator[Prerequisite]:
    """Whether content arrives, which registries have on other hosts than manifests. Raises HarnessError."""
    name = f"content of {image.registry}"
    known = _known_config(settings, image.registry)
    if known is None and limited:
        yield ok(name, "not tried: it would take a pull, and the image cache has no image of it to ask for")
        return
    try:
        if known is None:
            client.config(image, platform=of_nodes())
            repository, digest = image.repository, ""
        else:
            repository, digest = known
        response = client.ask("GET", repository, f"blobs/{digest}") if digest else None
    except RegistryError as error:
        yield warning(name, error.message, error.next_step)
        return
    if response is None:
        yield ok(name, "arrives")
    elif response.status_code != 200:
        refused = client.answered(response, f"the blob {repository}@{digest}")
        yield warning(name, refused.message, refused.next_step)
    else:
        yield ok(name, f"arrives, from {response.url.host}")


def _known_config(settings: Settings, host: str) -> tuple[str, str] | None:
    """Repository and digest of a configuration in the registry that the image cache knows of."""
    for image, _ in ImageCache.of(settings).images():
        name = ImageReference.parse(image.reference)
        if name.registry == host:
            return name.repository, image.config
    return None


def _clock(dates: Mapping[str, str]) -> list[Prerequisite]:
    """Whether this machine's clock is that of the registries, for which certificates and tokens hold."""
    wrong = {host: off for host, date in dates.items() if (off := wrong_clock(date))}
    if wrong:
        told = "; ".join(f"{off} of {host}" for host, off in wrong.items())
        return [failure("clock", told, f"set it: {clock.how_to_set()}")]
    return [ok("clock", f"that of {', '.join(dates)}")] if dates else []


def _engine_proxy() -> list[Prerequisite]:
    """The engine pulls node images by itself, and by proxies of its own."""
    name = "proxy of the engine"
    asked = ["docker", "info", "--format", "{{.HTTPSProxy}}"]
    try:
        done = process.call(asked, timeout=_ENGINE_SECONDS, check=False)
    except HarnessError:
        return []
    if done.returncode != 0:
        # That there is no engine is a row of `harness doctor`.
        return []
    own = done.stdout.strip()
    wanted = proxy_for("https://registry-1.docker.io/v2/")
    if wanted and not own:
        remedy = "https://docs.docker.com/engine/daemon/proxy/ says where the engine has its own"
        return [warning(name, f"none, while this machine has {wanted}: node images are pulled by the engine", remedy)]
    return [ok(name, urlsplit(own)._replace(netloc=urlsplit(own).netloc.rpartition("@")[2]).geturl() or "none")]


def _cached(settings: Settings) -> Prerequisite:
    name, cache = "image cache", ImageCache.of(settings)
    if not settings.image_cache_gb:
        return warning(name, "none: nodes pull each image anew", "give image_cache_gb in harness.toml a value like 20")
    return ok(name, f"{len(cache.images())} images, {cache.size() / 1e9:.1f} of {settings.image_cache_gb:g} GB")


def _silent(host: str, seconds: float) -> Prerequisite:
    return warning(
        f"registry {host}",
        f"did not answer within {seconds:.0f} s",
        "check the network before it, and its name servers",
    )
