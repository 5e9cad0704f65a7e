# SPDX-License-Identifier: Apache-2.0
"""Unpacks image archives into an OCI layout and verifies them: `docker save`, and tar files of an OCI layout.

The forms are those of the OCI image specification 1.1 (image-layout.md, image-index.md) and of the Docker image
specification 1.2, whose archive has a manifest.json and plain layers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UnavailableError, UsageError
from harness.foundry.assemble import Image, share
from harness.image_cache.filling import require_usable
from harness.images import media_types
from harness.images.references import ImageReference
from harness.registries.manifest_shape import artifact, require_unpackable
from harness.registries.push import as_manifest
from harness.untrusted import IMAGE_BOUNDS, MEBIBYTE, from_json, no_file, opened
from harness.wording import counted

_NAMES = ("org.opencontainers.image.ref.name", "io.containerd.image.name")
_RESERVE = 1024 * MEBIBYTE
"""Disk space that unpacking must leave free."""
_HOW = "write one with `docker save IMAGE -o FILE.tar`, or `skopeo copy docker://IMAGE oci-archive:FILE.tar`"

Descriptor = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """An image in an OCI layout of its own, each of its blobs verified against its digest.

    `platforms` are those that it has (`linux/amd64`); `left_out` are those that the archive lists without their
    content.
    """

    image: Image
    platforms: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def unpack(file: Path, folder: Path, wanted: ImageReference, architecture: str) -> Unpacked:
    """Unpack the image that `wanted` names into `folder`, which must be empty.

    An archive with one image may use any name for it; of several, the one with that name or digest is used. Raises
    UsageError for a file that is not such an archive, is corrupt, has another digest or is not for this architecture.
    """
    root = _extract(file, folder)
    if (root / "oci-layout").is_file() and (root / "index.json").is_file():
        chosen = _of_layout(file, root, wanted)
    elif (root / "manifest.json").is_file():
        chosen = _of_docker(file, root, wanted)
    else:
        raise _no_image(file, root)
    chosen, platforms, left_out = _for_machine(file, root, chosen, f"linux/{architecture}")
    blobs = dict(_content(file, root, chosen))
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [dict(chosen)]}))
    (root / "oci-layout").write_text(json.dumps(media_types.LAYOUT))
    size = sum(blob.stat().st_size for blob in blobs.values())
    return Unpacked(
        image=Image(folder=root, digest=chosen["digest"], size=size, blobs=blobs),
        platforms=platforms,
        left_out=left_out,
    )


def _extract(file: Path, folder: Path) -> Path:
    """The folder with the content: that of the archive, or the only one in it."""
    if not file.is_file():
        raise UsageError(no_file("the image archive", file), "check the path; a folder must be packed with tar")
    with opened(file, IMAGE_BOUNDS) as archive:
        archive.extract(folder, reserve=_RESERVE)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name != "blobs" else folder


def _no_image(file: Path, root: Path) -> UsageError:
    """What an archive of something else is, as far as it shows that."""
    if (root / "Chart.yaml").is_file():
        return UsageError(f"{file} is a Helm chart, and no image", f"import it as one: harness charts import {file}")
    if (root / "etc").is_dir() and (root / "usr").is_dir():
        return UsageError(
            f"{file} is a file system, as `docker export` writes it, without what makes it an image", _HOW
        )
    return UsageError(f"{file} is neither an OCI layout nor a `docker save` archive", _HOW)


def _of_layout(file: Path, root: Path, wanted: ImageReference) -> Descriptor:
    top: list[Descriptor] = _document(file, root / "index.json").get("manifests") or []
    if wanted.digest:
        there = {it["digest"]: it for it in _all(file, root, top)}
        if wanted.digest not in there:
            raise UsageError(
                f"{file} does not contain {wanted.digest}, but {', '.join(it['digest'] for it in top) or 'nothing'}",
                "omit the digest from --as, or get the archive of that digest",
            )
        return there[wanted.digest]
    if len(top) == 1:
        return top[0]
    # `docker save` gives each its full name and its tag, which those of one release share.
    named = _named(top, {wanted.canonical, wanted.familiar}) or _named(top, {wanted.tag})
    if len(named) == 1:
        return named[0]
    raise UsageError(
        f"{file} contains {counted(len(top), 'image')}, {len(named)} of them named {wanted.canonical}",
        f"name one by its digest, --as {wanted.canonical}@DIGEST: {', '.join(it['digest'] for it in top) or 'none'}",
    )


def _named(descriptors: list[Descriptor], names: set[str]) -> list[Descriptor]:
    return [it for it in descriptors if names & {(it.get("annotations") or {}).get(key) for key in _NAMES}]


def _all(file: Path, root: Path, descriptors: list[Descriptor]) -> Iterator[Descriptor]:
    for each in descriptors:
        yield each
        if each.get("mediaType") in media_types.INDEXES and _blob(root, each["digest"]).is_file():
            yield from _all(file, root, _document(file, _checked(file, root, each)).get("manifests") or [])


def _of_docker(file: Path, root: Path, wanted: ImageReference) -> Descriptor:
    """Make an OCI manifest for an image of a docker archive, with its layers as they are."""
    try:
        entries = from_json((root / "manifest.json").read_text())
        tagged = [it for it in entries if {wanted.canonical, wanted.familiar} & set(it.get("RepoTags") or [])]
        found = entries if len(entries) == 1 else tagged
        if len(found) != 1:
            tags = [tag for it in entries for tag in it.get("RepoTags") or ["an untagged one"]]
            raise UsageError(
                f"{file} contains {counted(len(entries), 'image')}, {len(found)} of them named {wanted.familiar}: "
                f"{', '.join(tags) or 'none at all'}",
                "save the image on its own",
            )
        config_file = _inside(file, root, found[0]["Config"])
        # Docker writes null for an image without layers.
        layers = [_inside(file, root, name) for name in found[0]["Layers"] or []]
        diff_ids = from_json(config_file.read_text())["rootfs"].get("diff_ids") or []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as broken:
        # What Python says of a list in the place of a name means nothing to anybody.
        why = "manifest.json is not as Docker writes it" if isinstance(broken, TypeError | AttributeError) else broken
        raise UsageError(f"{file} is a corrupt `docker save` archive: {why}", "save the image again") from broken
    if len(layers) != len(diff_ids):
        raise UsageError(
            f"{file} has {counted(len(layers), 'layer')}, but its image configuration lists {len(diff_ids)}",
            "save the image again",
        )
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _add(root, config_file, media_types.CONFIG),
        "layers": [_add_layer(file, root, layer, wanted_id) for layer, wanted_id in zip(layers, diff_ids, strict=True)],
    }
    manifest = root / "oci-manifest.json"
    manifest.write_text(json.dumps(document, sort_keys=True, separators=(",", ":")))
    made = _add(root, manifest, media_types.MANIFEST)
    if wanted.digest and wanted.digest != made["digest"]:
        raise UsageError(
            f"the image of {file} has digest {made['digest']}, expected {wanted.digest}",
            "a `docker save` archive has uncompressed layers, so its digest differs from that in the "
            "registry: omit the digest from --as, or get an OCI archive",
        )
    return made


def _add_layer(file: Path, root: Path, layer: Path, diff_id: str) -> Descriptor:
    with layer.open("rb") as stream:
        start = stream.read(4)
    if start == b"\x28\xb5\x2f\xfd":
        return _add(root, layer, f"{media_types.LAYER}+zstd")
    packed = start[:2] == b"\x1f\x8b"
    try:
        with gzip.open(layer) if packed else layer.open("rb") as stream:
            found = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, EOFError) as broken:
        raise UsageError(f"{file}: the layer {layer.name} cannot be read: {broken}", "save the image again") from broken
    if found != diff_id:
        raise UsageError(
            f"{file}: a layer has digest {found}, expected {diff_id}", "the archive is corrupt: save it again"
        )
    return _add(root, layer, f"{media_types.LAYER}+gzip" if packed else media_types.LAYER)


def _add(root: Path, source: Path, media_type: str) -> dict[str, Any]:
    digest = _hash(source)
    target = _blob(root, digest)
    target.parent.mkdir(parents=True, exist_ok=True)
    share(source, target)
    return {"mediaType": media_type, "digest": digest, "size": source.stat().st_size}


def _for_machine(
    file: Path, root: Path, chosen: Descriptor, machine: str
) -> tuple[Descriptor, tuple[str, ...], tuple[str, ...]]:
    """The descriptor to publish, its platforms, and those without content. Raises UsageError without this machine's."""
    document = _document(file, _checked(file, root, chosen))
    if "manifests" not in document:
        _require_usable(file, root, chosen)
        platform = _platform(file, root, chosen)
        if platform != machine:
            raise _other_machine(file, [platform], machine)
        return chosen, (platform,), ()
    children = {_platform(file, root, it): it for it in _leaves(file, root, document)}
    # Attestations and other artifacts, which are about an image and are none, have no platform.
    real = {platform: it for platform, it in children.items() if not platform.startswith("unknown")}
    there = {platform: it for platform, it in real.items() if _complete(file, root, it)}
    if machine not in there:
        raise _other_machine(file, list(there) or list(real), machine)
    _require_usable(file, root, there[machine])
    if all(_complete(file, root, it) for it in _all(file, root, document["manifests"])):
        return chosen, tuple(there), ()
    # Docker saves the index of all platforms with the content of one; a registry takes no index with holes.
    return there[machine], (machine,), tuple(sorted(real.keys() - {machine}))


def _require_usable(file: Path, root: Path, descriptor: Descriptor) -> None:
    """Raise UsageError for what no node makes a container of, as for an image of a registry."""
    manifest = _checked(file, root, descriptor)
    try:
        require_usable(as_manifest(manifest.read_bytes()), "its image")
        document = _document(file, manifest)
        config = _blob(root, document["config"]["digest"])
        if config.is_file():
            require_unpackable(document, _document(file, config), "its image")
    except UnavailableError as refused:
        raise UsageError(f"{file} cannot be used: {refused.message}", refused.next_step) from refused


def _leaves(file: Path, root: Path, index: Mapping[str, Any]) -> Iterator[Descriptor]:
    """What an index and those in it list, but for the indexes that are there."""
    for each in index["manifests"]:
        # Verified before it is followed, so that none can list itself.
        there = _blob(root, each["digest"]).is_file()
        below = _document(file, _checked(file, root, each)) if there else {}
        if "manifests" in below:
            yield from _leaves(file, root, below)
        else:
            yield each


def _other_machine(file: Path, found: list[str], machine: str) -> UsageError:
    return UsageError(
        f"{file} has an image for {', '.join(found) or 'no platform'}, but nodes on this machine are {machine}",
        f"get it for this platform: `docker pull --platform {machine} IMAGE`, then `docker save`",
    )


def _complete(file: Path, root: Path, descriptor: Descriptor) -> bool:
    manifest = _blob(root, descriptor["digest"])
    if not manifest.is_file():
        return False
    document = _document(file, manifest)
    parts = [*document.get("manifests", []), *_parts(document)]
    return all(_blob(root, part["digest"]).is_file() for part in parts)


def _parts(document: Mapping[str, Any]) -> Iterator[Descriptor]:
    """The descriptors of configuration and layers."""
    yield from filter(None, [document.get("config"), *(document.get("layers") or [])])


def _platform(file: Path, root: Path, descriptor: Descriptor) -> str:
    platform = descriptor.get("platform")
    if not platform:
        manifest = _blob(root, descriptor["digest"])
        if not manifest.is_file():
            return f"unknown/{descriptor['digest']}"
        document = _document(file, manifest)
        config = document.get("config")
        if artifact(document) or not config or not _blob(root, config["digest"]).is_file():
            return f"unknown/{descriptor['digest']}"
        platform = _document(file, _blob(root, config["digest"]))
        if not platform.get("os") or not platform.get("architecture"):
            raise UsageError(
                f"{file} cannot be used: the configuration {config['digest']} of its image names no platform",
                "build or save the image again",
            )
    variant = f"/{platform['variant']}" if platform.get("variant") and platform["architecture"] != "arm64" else ""
    named = f"{platform.get('os')}/{platform.get('architecture')}{variant}"
    return f"{named}/{descriptor['digest']}" if named.startswith("unknown") else named


def _content(file: Path, root: Path, descriptor: Descriptor) -> Iterator[tuple[str, Path]]:
    """Every blob that is not a manifest, verified against its digest."""
    document = _document(file, _checked(file, root, descriptor))
    for child in document.get("manifests", []):
        yield from _content(file, root, child)
    for part in _parts(document):
        yield part["digest"], _checked(file, root, part)


def _checked(file: Path, root: Path, descriptor: Descriptor) -> Path:
    blob = _blob(root, descriptor["digest"])
    if not blob.is_file():
        raise UsageError(f"{file} lacks {descriptor['digest']}", "the archive is not complete: save it again")
    if _hash(blob) != descriptor["digest"]:
        raise UsageError(
            f"{file}: {descriptor['digest']} has digest {_hash(blob)}", "the archive is corrupt: save it again"
        )
    size = blob.stat().st_size
    if descriptor.get("size", size) != size:
        # A node takes no content of another size than its descriptor names.
        raise UsageError(
            f"{file}: {descriptor['digest']} has {size} bytes, and is listed with {descriptor['size']}",
            "the archive is corrupt: save it again",
        )
    return blob


def _hash(path: Path) -> str:
    with path.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def _document(file: Path, path: Path) -> dict[str, Any]:
    try:
        found = from_json(path.read_text())
    except (OSError, ValueError) as broken:
        raise UsageError(f"{file} is corrupt: {path.name}: {broken}", "save the image again") from broken
    if not isinstance(found, dict):
        raise UsageError(f"{file} is corrupt: {path.name} is not a JSON object", "save the image again")
    wrong = [it for it in ("manifests", "layers") if not _are_descriptors(found.get(it))]
    if "layers" in found and not _are_descriptors([found.get("config")]):
        wrong.append("config")
    if wrong:
        raise UsageError(f"{file} is corrupt: {path.name}: {wrong[0]} lacks descriptors", "save the image again")
    return found


def _are_descriptors(found: object) -> bool:
    return found is None or (
        isinstance(found, list)
        and all(
            isinstance(it, dict)
            and "digest" in it
            and all(isinstance(it.get(key), dict | None) for key in ("annotations", "platform"))
            for it in found
        )
    )


def _blob(root: Path, digest: str) -> Path:
    algorithm, _, digits = str(digest).partition(":")
    if algorithm != "sha256" or not digits.isalnum():
        raise UsageError(f"the archive names a blob {digest!r}, which is not a SHA-256 digest", "save the image again")
    return root / "blobs" / algorithm / digits


def _inside(file: Path, root: Path, name: str) -> Path:
    found = (root / name).resolve()
    if not found.is_relative_to(root.resolve()) or not found.is_file():
        raise UsageError(f"{file} lacks {name}", "the archive is not complete: save it again")
    return found
