# SPDX-License-Identifier: Apache-2.0
"""Which names the small internet has, and the address of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.registries.front.profile import Profile, profiles
from harness.settings import PROJECT_ROOT
from harness.toml_source import TomlSource

FILE = PROJECT_ROOT / "clusters" / "internet.toml"

# TEST-NET-3 and TEST-NET-2 of RFC 5737, which nobody has: no packet for them is ever meant for somebody else.
NAME_SERVER = "203.0.113.1"
_FIRST = IPv4Address("203.0.113.10")
GATEWAY = "198.51.100.1"
MACHINE = "198.51.100.2"


class KubernetesHosts(BaseModel):
    """registry.k8s.io and where it sends its clients; the keys are explained in clusters/internet.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    regional: str
    path: str
    blobs: str


class ChartHosts(BaseModel):
    """The Helm repository and where its charts are; the keys are explained in clusters/internet.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pages: str
    index: str
    releases: str
    files: str
    assets: str


class SiteHosts(BaseModel):
    """A site's own registry; the keys are explained in clusters/internet.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str
    projects: Mapping[str, str]
    without: tuple[str, ...]


class Hosts(BaseModel):
    """clusters/internet.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kubernetes: KubernetesHosts
    charts: ChartHosts
    site: SiteHosts

    @property
    def names(self) -> tuple[str, ...]:
        """Their names."""
        kubernetes, charts = self.kubernetes, self.charts
        return (
            *(kubernetes.host, kubernetes.regional, kubernetes.blobs),
            *(charts.pages, charts.releases, charts.assets),
        )


@cache
def hosts() -> Hosts:
    """The hosts that are no registries with tokens. Raises CatalogueError with file, line and key."""
    return read(FILE)


def read(file: Path) -> Hosts:
    """Such a file. Raises as `hosts`."""
    return TomlSource.read(file).validated(Hosts)


def names_of(profile: Profile) -> tuple[str, ...]:
    """The names under which a registry, its token service and its blobs answer."""
    return tuple(dict.fromkeys((*profile.names, *filter(None, (profile.token_host, profile.blob_host)))))


def addresses(registries: Sequence[Profile] = ()) -> Mapping[str, str]:
    """Each name's address, one for each name, so that each can be blocked alone."""
    known = registries or tuple(profiles().values())
    names = [name for it in known for name in names_of(it)] + [*hosts().names, hosts().site.host]
    return {name: str(_FIRST + number) for number, name in enumerate(dict.fromkeys(names))}
