# SPDX-License-Identifier: Apache-2.0
"""The registries of the pull benchmark: stand-ins for the public ones, a mirror, pull-through caches, their logs."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.bench.pull_images import Pulled
from harness.errors import RegistryError, UnavailableError
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.registries import local
from harness.registries.client import RegistryClient
from harness.registries.front.profile import Limits, profile
from harness.registries.front.server import Front
from harness.waiting import until

HOSTS = ("ghcr.io", "docker.io")
_LOG_SECONDS = 60.0
_LOG_PAUSE = 0.15
_PLENTY = Limits(anonymous=100_000, user=100_000, window=6 * 3600)
_LINE = re.compile(r'^\S+ - \S+ \[[^\]]*\] "([A-Z]+) (\S+) HTTP/[\d.]+" (\d{3}) (\d+)', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Profile:
    """How far away a stand-in is: `latency` in seconds for each answer, `rate` in bytes per second for all together."""

    latency: float
    rate: int

    def __str__(self) -> str:
        return f"{self.latency * 1000:.0f} ms for each response, {self.rate / 1e6:.0f} MB/s in total"


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """What a server was asked: bytes of bodies, and requests, those for tokens among them."""

    bytes: int = 0
    requests: int = 0

    def since(self, before: Traffic) -> Traffic:
        """What came after an earlier look."""
        return Traffic(bytes=self.bytes - before.bytes, requests=self.requests - before.requests)


@dataclass(frozen=True, kw_only=True)
class Server:
    """Who answers for a registry host. `mirror` is how a node reaches it; None: the public registry itself.

    `traffic` is what it was asked so far, where it has a log.
    """

    name: str
    host: str
    mirror: Mirror | None = None
    traffic: Callable[[], Traffic] | None = None


@dataclass(kw_only=True)
class Site:
    """All servers of a benchmark. `fronts` are the stand-ins, by the registry host that they stand for."""

    binary: Path
    folder: Path
    gateway: str
    fronts: Mapping[str, Front]
    copy: local.Server
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def direct(self, host: str) -> Server:
        """The stand-in itself."""
        front = self.fronts[host]
        return Server(name=stand_in(host), host=host, mirror=front.mirror(), traffic=lambda: of_front(front))

    def mirrored(self, host: str) -> Server:
        """A plain registry near the node that has a copy of everything."""
        return Server(name=stand_in(host), host=host, mirror=_mirror(self.copy), traffic=lambda: of_log(self.copy))

    @contextmanager
    def cache(self, host: str) -> Iterator[Server]:
        """An empty pull-through cache of the stand-in."""
        front = self.fronts[host]
        name = f"cache-{next(self._numbers)}"
        with local.serve(
            self.binary,
            self.folder / name,
            self.folder / f"{name}.log",
            address=self.gateway,
            cache_of=f"https://{front.address}",
            ca=front.ca,
        ) as server:
            yield Server(name=stand_in(host), host=host, mirror=_mirror(server), traffic=lambda: of_log(server))

    def require_pulls(self, needed: Mapping[str, int], image: Pulled) -> None:
        """Raises UnavailableError for a stand-in whose limit does not allow so many pulls."""
        for host, number in needed.items():
            with RegistryClient(self.fronts[host].mirror(), host) as client:
                why = too_few(client, ImageReference.parse(image.on(host)), number)
            if why:
                raise UnavailableError(why, "fewer --rounds, or wait for the next window")

    def upstream(self, host: str) -> Traffic:
        """All requests to the stand-in so far."""
        return of_front(self.fronts[host])


@contextmanager
def site(binary: Path, folder: Path, storage: Path, gateway: str, away: Profile) -> Iterator[Site]:
    """Stand-ins as far away as the profile says, and a mirror without latency; all of them have what is in `storage`.

    Nodes reach them by `gateway`. Docker Hub's limits are read and heeded like the real ones, but set so high that
    they do not end the benchmark.
    """
    with ExitStack() as stack:
        fronts = {}
        for host in HOSTS:
            front = Front(
                profile(host),
                folder=folder / host,
                binary=binary,
                storage=storage,
                readonly=True,
                addresses=[gateway],
                packages={"*": "public"},
            )
            fronts[host] = stack.enter_context(front)
            if front.profile.limits:
                front.limit(_PLENTY)
            if away.latency:
                front.fault("latency", seconds=away.latency)
            if away.rate:
                front.fault("bandwidth", rate=away.rate)
        copy = stack.enter_context(local.serve(binary, storage, folder / "mirror.log", readonly=True, address=gateway))
        yield Site(binary=binary, folder=folder, gateway=gateway, fronts=fronts, copy=copy)


def stand_in(host: str) -> str:
    """What reports call it."""
    return f"{host} stand-in"


def of_front(front: Front) -> Traffic:
    """What a front was asked so far."""
    found = front.requests()
    return Traffic(bytes=sum(it.bytes for it in found), requests=len(found))


def of_log(server: local.Server) -> Traffic:
    """What a distribution server was asked so far, by its access log.

    A cache writes a line once it has stored what its client has already: it is read when nothing is added any more.
    """
    length = -1

    def unchanged() -> bool:
        nonlocal length
        before, length = length, server.log_file.stat().st_size
        return length == before

    until(unchanged, what=f"the log of {server.url} to be complete", timeout=_LOG_SECONDS, interval=_LOG_PAUSE)
    lines = _LINE.findall(server.log_file.read_text(errors="replace"))
    sent = sum(int(size) for method, _, _, size in lines if method != "HEAD")
    return Traffic(bytes=sent, requests=len(lines))


def pulls_left(client: RegistryClient, reference: ImageReference) -> int | None:
    """How many pulls a registry still allows, by its `ratelimit-remaining`; None where it says nothing.

    Asked by HEAD, which Docker Hub does not count (https://docs.docker.com/docker-hub/usage/pulls).
    """
    answer = client.ask("HEAD", reference.repository, f"manifests/{reference.identifier}")
    if answer.status_code == 429:
        return 0
    if answer.status_code != 200:
        raise RegistryError(f"{client.server} answered {answer.status_code} for {reference}", status=answer.status_code)
    said = re.match(r"\d+", answer.headers.get("ratelimit-remaining", ""))
    return int(said[0]) if said else None


def too_few(client: RegistryClient, reference: ImageReference, needed: int) -> str:
    """Why so many pulls must not be begun; empty when they may."""
    left = pulls_left(client, reference)
    if left is None or left >= needed:
        return ""
    return f"{client.server} allows {left} more pulls in this window, but {needed} are needed"


def _mirror(server: local.Server) -> Mirror:
    return Mirror(url=server.url)
