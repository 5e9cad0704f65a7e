# SPDX-License-Identifier: Apache-2.0
"""Which manifest of an index a node takes: the one for its platform, also where that is in an index below.

As containerd chooses (2.2.9, core/images/handlers.go: FilterPlatforms, LimitManifests): what is for the platform before
what does not say for what it is, and of these the first alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from harness.errors import RegistryError

DEPTH = 6
"""Indexes that may be in one another."""

# The variants that a node without one takes, and other names of architectures (containerd/platforms, database.go).
_USUAL_VARIANTS = {"amd64": ("", "v1"), "arm64": ("", "v8", "8"), "arm": ("", "v7", "7", "v6", "6", "v5", "5")}
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "i386": "386"}


@dataclass(frozen=True, kw_only=True)
class Platform:
    """An image for one operating system and architecture; `digest` is that of its manifest."""

    os: str
    architecture: str
    variant: str = ""
    digest: str

    @property
    def plain(self) -> str:
        """Without the variant: `linux/arm64`."""
        return f"{self.os}/{self.architecture}"

    def fits(self, platform: str) -> bool:
        """Whether it is this one, with its variant or without."""
        return platform in (str(self), self.plain)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)


class _Document(Protocol):
    @property
    def is_index(self) -> bool: ...

    @property
    def content(self) -> Mapping[str, Any]: ...


_Read = TypeVar("_Read", bound=_Document)


def entry_for(index: Mapping[str, Any], platform: str) -> str:
    """The digest of the entry for a platform, as containerd chooses it; empty without one.

    That is the first that fits, which one for newer processors (`amd64/v3`) does not; without any, the first that does
    not say for what it is, which may be an index itself.
    """
    found = _fitting(index, platform) or _unnamed(index)
    return str(found[0]["digest"]) if found else ""


def chain_to(
    top: _Read, platform: str, read: Callable[[str], _Read], platform_of: Callable[[_Read], Platform], *, name: str
) -> list[_Read]:
    """What leads from a manifest or index to the manifest for a platform, both included; empty without one.

    `read` gets a manifest by its digest, `platform_of` tells for what it is by its configuration: that is asked where
    no index says so. A node pulls a manifest that is in no index whatever it is for, and cannot run it: nor is it
    chosen here. `name` is that of the image, for messages. Raises RegistryError for indexes without end.
    """
    chain = [top]
    if not top.is_index and not platform_of(top).fits(platform):
        return []
    while chain[-1].is_index:
        if len(chain) > DEPTH:
            raise RegistryError(
                f"{name} has indexes that are nested more than {DEPTH} levels deep",
                "push the image again, with its platforms in one index",
                status=200,
            )
        index = chain[-1].content
        below = entry_for(index, platform)
        if not below:
            return []
        chain.append(read(below))
        if not chain[-1].is_index and not _fitting(index, platform) and not platform_of(chain[-1]).fits(platform):
            return []
    return chain


def listed_platforms(index: Mapping[str, Any]) -> list[Platform]:
    """The platforms that an index lists, without attestations; none of another manifest."""
    named = [platform_from(it.get("platform") or {}, it["digest"]) for it in index.get("manifests") or []]
    return [it for it in named if it.os not in ("", "unknown")]


def platform_from(fields: Mapping[str, Any], digest: str) -> Platform:
    """The platform that a configuration, or an entry of an index, names for the manifest with a digest."""
    architecture = str(fields.get("architecture") or "").lower()
    return Platform(
        os=str(fields.get("os") or "").lower(),
        architecture=_ARCHITECTURES.get(architecture, architecture),
        variant=str(fields.get("variant") or ""),
        digest=digest,
    )


def _fitting(index: Mapping[str, Any], platform: str) -> list[Mapping[str, Any]]:
    """The entries for a platform, in their order; one with a variant has been read of this index."""
    usual = _USUAL_VARIANTS.get(platform.rpartition("/")[2], ("",))

    def fits(entry: Mapping[str, Any]) -> bool:
        named = platform_from(entry.get("platform") or {}, "")
        return str(named) == platform or (named.plain == platform and named.variant in usual)

    return [it for it in index.get("manifests") or [] if fits(it)]


def _unnamed(index: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The entries that do not say for what they are."""
    return [it for it in index.get("manifests") or [] if not (it.get("platform") or {}).get("os")]
