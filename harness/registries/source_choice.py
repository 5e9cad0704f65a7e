# SPDX-License-Identifier: Apache-2.0
"""Which source of images this host can use."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.errors import HarnessError, UsageError
from harness.images.mirrors import Mirror, MirrorMap
from harness.images.references import PUBLIC_HOSTS
from harness.registries.at_once import ask_all
from harness.registries.client import RegistryClient
from harness.registries.connection import address_of
from harness.settings import Settings, SourceKind

PROBE_SECONDS = 5.0

# What httpx heeds of the environment for https addresses.
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The source that a run uses, and `why`."""

    kind: SourceKind
    why: str

    def __str__(self) -> str:
        return f"images come from {_PHRASES[self.kind]}: {self.why}"


_PHRASES: Mapping[SourceKind, str] = {
    "upstream": "the public registries",
    "mirror": "the mirrors",
    "foundry": "the foundry",
}


def detect(
    settings: Settings,
    asked: SourceKind | None = None,
    *,
    hosts: Iterable[str] = PUBLIC_HOSTS,
    timeout: float = PROBE_SECONDS,
) -> Choice:
    """Choose a source: the requested one; else configured mirrors; else upstream if all `hosts` answer; else the
    foundry.

    Probes all registries in parallel, once, for at most `timeout` seconds. Raises UsageError when `mirror` is
    requested but none is configured.
    """
    wanted = asked or settings.source
    if wanted == "mirror" and not settings.mirrors:
        raise UsageError(
            "--source mirror needs a mirror, but none is configured",
            'add to harness.toml: [mirrors."ghcr.io"] with url = "https://…"',
        )
    if wanted:
        return Choice(kind=wanted, why=f"requested with --source {wanted}")
    if settings.mirrors:
        return Choice(kind="mirror", why=f"harness.toml has mirrors for {', '.join(settings.mirrors)}")
    silent = {host: problem for host, problem in probe_all(hosts, timeout=timeout).items() if problem}
    if not silent:
        return Choice(kind="upstream", why="all of them answer")
    return Choice(kind="foundry", why="; ".join(silent.values()))


def probe_all(
    hosts: Iterable[str], *, mirrors: MirrorMap | None = None, timeout: float = PROBE_SECONDS
) -> dict[str, str]:
    """Registry host → why it does not answer, empty when it does; probed in parallel, within `timeout` seconds."""
    wanted = list(dict.fromkeys(hosts))

    def probe(host: str) -> str:
        mirror: Mirror | None = mirrors.mirrors.get(host) if mirrors else None
        address = address_of(mirror, host)
        unknown = _name_unknown(address)
        if unknown:
            server = f"the mirror {address} of {host}" if mirror else host
            return f"{server} could not be reached: {unknown}"
        try:
            with RegistryClient(mirror, host, timeout=timeout, attempts=1) as client:
                client.ping()
        except HarnessError as error:
            # Also certificates of the environment that cannot be read.
            return error.message
        return ""

    answers = ask_all(wanted, probe, seconds=timeout)
    return {host: answers.get(host, f"{host} did not answer within {timeout:.0f} s") for host in wanted}


def _name_unknown(address: str) -> str:
    """Why this machine knows no such server; empty when it does, or when a proxy would find it.

    Where no name of a registry is known, the HTTP client need not even be loaded.
    """
    if any(os.environ.get(name) for name in _PROXIES):
        return ""
    try:
        socket.getaddrinfo(urlsplit(address).hostname, None)
    except OSError as error:
        return str(error)
    return ""
