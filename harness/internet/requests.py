# SPDX-License-Identifier: Apache-2.0
"""What was requested of the internet's hosts, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.registries.front.access_log import Request

_KINDS: Mapping[str, str] = {
    "pulls": "counted pulls",
    "heads": "HEADs",
    "tokens": "tokens",
    "challenges": "401",
    "redirects": "redirects",
    "limited": "429",
    "others": "others",
}


@dataclass(frozen=True, kw_only=True)
class Traffic:
    """Requests by host and kind, and bytes by host."""

    requests: Mapping[str, Counter[str]]
    bytes: Mapping[str, int]

    def pulls(self, *hosts: str) -> int:
        """GETs of manifests that these hosts answered: pulls (docs.docker.com/docker-hub/usage/pulls)."""
        return sum(self.requests.get(host, Counter())["pulls"] for host in hosts)

    def lines(self) -> Iterator[str]:
        """A line for each host, the busiest first."""
        for host, kinds in sorted(self.requests.items(), key=lambda it: -sum(it[1].values())):
            told = [f"{kinds[kind]} {word}" for kind, word in _KINDS.items() if kinds[kind]]
            yield f"{host}: {', '.join(told)}; {self.bytes[host] / 1e6:.1f} MB"


def traffic(requests: Iterable[Request]) -> Traffic:
    """Count requests."""
    kinds: dict[str, Counter[str]] = {}
    sent: Counter[str] = Counter()
    for it in requests:
        kinds.setdefault(it.host, Counter())[kind_of(it)] += 1
        sent[it.host] += it.bytes
    return Traffic(requests=kinds, bytes=sent)


def kind_of(request: Request) -> str:
    """What a request is for those who count: a pull, a token, …"""
    if request.status == 429:
        return "limited"
    if request.status == 401:
        return "challenges"
    if request.status in (302, 307):
        return "redirects"
    if request.path == "/token":
        return "tokens"
    if "/manifests/" in request.path and request.status == 200:
        return "heads" if request.method == "HEAD" else "pulls"
    return "others"
