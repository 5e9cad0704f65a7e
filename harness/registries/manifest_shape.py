# SPDX-License-Identifier: Apache-2.0
"""What a manifest must have before anything is done by it.

Digests become names of files and parts of addresses, and a registry can write anything into a manifest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from harness.errors import RegistryError
from harness.images import media_types
from harness.images.references import is_digest
from harness.wording import counted

_IMAGE_CONFIGS = (media_types.CONFIG, "application/vnd.docker.container.image.v1+json", "application/octet-stream", "")
"""What nodes take for an image's configuration; containerd reads the third as the second (ConvertManifest)."""
_LAYER_OF_OCI = "application/vnd.oci.image.layer."
_LAYERS = (_LAYER_OF_OCI, "application/vnd.docker.image.rootfs.", "application/octet-stream")
_LAYERS_OF_DOCKER = tuple(
    f"application/vnd.docker.image.rootfs.{it}"
    for it in ("diff.tar", "diff.tar.gzip", "diff.tar.zstd", "foreign.diff.tar", "foreign.diff.tar.gzip")
)
# Words in media types of what is stored as images are (helm.sh/docs/topics/registries; cosign's and in-toto's specs).
_ARTIFACTS = {
    "cncf.helm": "a Helm chart",
    "simplesigning": "a signature of cosign",
    "in-toto": "an attestation",
    "sigstore.bundle": "a bundle of Sigstore",
    "docker.plugin": "a plugin of Docker",
    "wasm": "a WebAssembly module",
    "cyclonedx": "an SBOM",
    "spdx": "an SBOM",
}
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"


def _a_digest(value: str) -> str:
    if not is_digest(value):
        how = ", which is written in lower case" if is_digest(value.lower()) else ""
        raise ValueError(f"{value[:100]!r} is not a digest{how}")
    return value


Digest = Annotated[str, AfterValidator(_a_digest)]
"""A digest as `is_digest` knows it, so that it may be the name of a file as well."""


class _Named(BaseModel):
    """A descriptor of what is asked for by its digest alone."""

    model_config = ConfigDict(strict=True, extra="ignore")

    digest: Digest
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


def require_sound(content: Mapping[str, Any], media_type: str, whose: str) -> None:
    """Raise RegistryError for a manifest that lists something without a valid digest or size, or is of Docker's
    schema 1. `whose` says which one it is, for messages: what follows "the manifest" or "the index".
    """
    if media_type.startswith(_SCHEMA_1) or content.get("schemaVersion") == 1:
        raise RegistryError(
            f"the manifest {whose} is of Docker's schema 1 ({media_type}), which containerd no longer pulls",
            "build the image again and push it with a current client",
            status=200,
        )
    if why := _contradiction(content, media_type):
        raise RegistryError(
            f"the manifest {whose} is malformed and cannot be used: {why}",
            "push the image again; if that does not help, ask who runs the registry",
            status=200,
        )
    try:
        _Document.model_validate(content)
    except ValidationError as broken:
        first = broken.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        kind = "index" if media_type in media_types.INDEXES or "manifests" in content else "manifest"
        raise RegistryError(
            f"the {kind} {whose} is malformed and cannot be used: {where}: {_told(first['msg'])}",
            "push the image again; if that does not help, ask who runs the registry",
            status=200,
        ) from broken


def _contradiction(content: Mapping[str, Any], media_type: str) -> str:
    """What of a manifest is not of its type, as containerd refuses it (core/images/image.go: validateMediaType)."""
    if media_type in media_types.MANIFESTS and content.get("manifests"):
        return f"it has `manifests`, as an index has, and is said to be {media_type}"
    if media_type in media_types.INDEXES and (content.get("layers") or content.get("config")):
        return f"it has layers or a configuration, as an image has, and is said to be {media_type}"
    return ""


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


def artifact(content: Mapping[str, Any]) -> str:
    """What a manifest is of that is no container image's, `a Helm chart`; empty for an image, and for an index."""
    if "manifests" in content:
        return ""
    config = str((content.get("config") or {}).get("mediaType") or "")
    layers = [str(it.get("mediaType") or "") for it in content.get("layers") or []]
    foreign = [it for it in layers if it and not it.startswith(_LAYERS)]
    if config in _IMAGE_CONFIGS and len(foreign) < max(len(layers), 1):
        return ""
    named = (str(content.get("artifactType") or ""), "" if config in (*_IMAGE_CONFIGS, media_types.EMPTY) else config)
    types = [it for it in (*named, *foreign) if it]
    known = (what for words, what in _ARTIFACTS.items() if any(words in it for it in types))
    return next(known, f"an artifact of the type {types[0] if types else config}")


def require_unpackable(content: Mapping[str, Any], config: object, name: str) -> None:
    """Raise RegistryError for an image that a node does not unpack: its configuration is no JSON object, or names more
    or fewer layers than there are.

    A node counts only what its media type says is a layer, and a configuration without `rootfs` names none (containerd
    2.2.9, core/unpack/unpacker.go: Unpack and unpack, client/image.go: getLayers, core/images/mediatypes.go:
    IsLayerType).
    """
    if not isinstance(config, dict):
        raise _not_unpacked(name, "its configuration is no JSON object")
    rootfs = config.get("rootfs")
    named = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    ids = named if isinstance(named, list) else []
    there = content.get("layers") or []
    layers = [it for it in there if _is_layer(str(it.get("mediaType") or ""))]
    if len(ids) == len(layers):
        return
    others = "" if len(layers) == len(there) else f", of which nodes unpack {len(layers)} by their media types"
    raise _not_unpacked(
        name, f"its manifest has {counted(len(there), 'layer')}{others}, and its configuration names {len(ids)}"
    )


def _is_layer(media_type: str) -> bool:
    return media_type.startswith(_LAYER_OF_OCI) or media_type.partition("+")[0] in _LAYERS_OF_DOCKER


def _not_unpacked(name: str, why: str) -> RegistryError:
    return RegistryError(
        f"{name} cannot be unpacked: {why}", "build the image again, and push it with a current client", status=200
    )


def require_image(content: Mapping[str, Any], name: str) -> None:
    """Raise RegistryError for a manifest of something that is no container image."""
    if what := artifact(content):
        raise RegistryError(
            f"{name} is no container image: it is {what}",
            "check the image's name: a chart or another artifact may have it",
            status=200,
        )
