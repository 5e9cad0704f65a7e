# SPDX-License-Identifier: Apache-2.0
"""What a manifest must have before anything is done by it, and which entry of an index is for a platform.

Digests become names of files and parts of addresses, and a registry can write anything into a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.references import is_digest

_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
# The variants that a node without one takes (containerd/platforms, database.go: normalizeArch).
_USUAL_VARIANTS = {"amd64": ("", "v1"), "arm64": ("", "v8")}


def _a_digest(value: str) -> str:
    if not is_digest(value):
        raise ValueError(f"{value[:100]!r} is not a digest")
    return value


class _Named(BaseModel):
    """A descriptor of what is asked for by its digest alone."""

    model_config = ConfigDict(strict=True, extra="ignore")

    digest: Annotated[str, AfterValidator(_a_digest)]
    platform: dict[str, Any] | None = None
    annotations: dict[str, Any] | None = None
    urls: list[str] | None = None


class _Stored(_Named):
    """A descriptor of content that is fetched into a file."""

    size: int = Field(ge=0)


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    config: _Stored | None = None
    layers: list[_Stored] | None = None
    blobs: list[_Stored] | None = None
    manifests: list[_Named] | None = None
    subject: _Named | None = None
    annotations: dict[str, Any] | None = None


def require_sound(content: Mapping[str, Any], media_type: str, name: str) -> None:
    """Raise RegistryError for a manifest that lists something without a valid digest or size, or is of Docker's
    schema 1. `name` says which one it is, for messages.
    """
    if media_type.startswith(_SCHEMA_1):
        raise RegistryError(
            f"{name} is of Docker's schema 1 ({media_type}), which containerd no longer pulls",
            "build the image again and push it with a current client",
            status=200,
        )
    try:
        _Document.model_validate(content)
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RegistryError(
            f"{name} cannot be used: {where}: {_told(first['msg'])}",
            "push the image again; if that does not help, ask who runs the registry",
            status=200,
        ) from broken


def _told(message: str) -> str:
    """What pydantic says, without its own words."""
    return message.removeprefix("Value error, ").partition(" or instance of ")[0]


def type_of(content: Mapping[str, Any], said: str) -> str:
    """The media type of a manifest that was answered with the Content-Type `said`.

    In the OCI image specification `mediaType` is optional, and a file server says application/octet-stream.
    """
    named = content.get("mediaType")
    if named or content.get("schemaVersion") != 2 or said.endswith("+json"):
        return str(named or said)
    return (media_types.INDEXES if "manifests" in content else media_types.MANIFESTS)[0]


def entry_for(index: Mapping[str, Any], platform: str) -> str:
    """The digest of the manifest for a platform, as containerd chooses it; empty without one.

    That is the first that fits, one for every processor of an architecture before those for newer ones (`amd64/v3`).
    Where the index does not say for what its only manifest is, it is that.
    """
    entries: Sequence[Mapping[str, Any]] = index.get("manifests") or []
    usual = _USUAL_VARIANTS.get(platform.rpartition("/")[2], ("",))
    fitting = [it for it in entries if _platform_of(it) == platform]
    fitting.sort(key=lambda it: (it["platform"].get("variant") or "") not in usual)
    if fitting:
        return str(fitting[0]["digest"])
    alone = len(entries) == 1 and not (entries[0].get("platform") or {}).get("os")
    return str(entries[0]["digest"]) if alone else ""


def _platform_of(entry: Mapping[str, Any]) -> str:
    named = entry.get("platform") or {}
    return f"{named.get('os')}/{named.get('architecture')}"
