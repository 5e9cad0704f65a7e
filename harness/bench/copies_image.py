# SPDX-License-Identifier: Apache-2.0
"""The image of the measurement of copies: two platforms with attestations, an SBOM, and signatures in all schemes."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.images import media_types
from harness.registries.push import RawManifest, Transfer, as_manifest, digest_of
from harness.registries.referrers import fallback_tag

REPOSITORY = "bench/signed"
TAG = "1"
LAYERS = 4
"""In each platform; of the same size each."""

_IN_TOTO = "application/vnd.in-toto+json"
_SPDX = "application/spdx+json"
_NOTARY = "application/vnd.cncf.notary.signature"
_SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
_UNKNOWN = {"os": "unknown", "architecture": "unknown"}


def push(client: Transfer, scratch: Path, *, layer_bytes: int) -> str:
    """Push the image, the same bytes for the same size, and return its digest. Raises RegistryError.

    buildx writes attestations into the index, for an unknown platform. An SBOM and a signature of it refer to the index
    as OCI 1.1 has it, a signature does to the image for amd64, and cosign's tag has one more.
    """
    entries: list[Mapping[str, Any]] = []
    for architecture in ("amd64", "arm64"):
        layers = [
            _blob(client, scratch, media_types.LAYER, random.Random(f"{architecture}-{number}").randbytes(layer_bytes))  # noqa: S311 - the same bytes again
            for number in range(LAYERS)
        ]
        config = {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": _digests(layers)},
        }
        image = _put(client, scratch, (media_types.CONFIG, config), layers)
        entries.append({**_described(image), "platform": {"os": "linux", "architecture": architecture}})
    for subject in [str(it["digest"]) for it in entries]:
        statement = _blob(client, scratch, _IN_TOTO, f"provenance of {subject}".encode())
        proof = _put(client, scratch, (media_types.CONFIG, {**_UNKNOWN, "of": subject}), [statement])
        notes = {"vnd.docker.reference.type": "attestation-manifest", "vnd.docker.reference.digest": subject}
        entries.append({**_described(proof), "platform": _UNKNOWN, "annotations": notes})
    index = as_manifest(_json({"schemaVersion": 2, "mediaType": media_types.INDEX, "manifests": entries}))
    client.put(REPOSITORY, TAG, index)
    sbom = _artifact(client, scratch, _SPDX, _described(index))
    _artifact(client, scratch, _NOTARY, _described(sbom))
    _artifact(client, scratch, _NOTARY, {key: entries[0][key] for key in ("mediaType", "digest", "size")})
    signature = _blob(client, scratch, _SIMPLE, f"signature of {index.digest}".encode())
    _put(client, scratch, (media_types.CONFIG, {}), [signature], tag=f"{fallback_tag(index.digest)}.sig")
    return index.digest


def _artifact(client: Transfer, scratch: Path, kind: str, subject: Mapping[str, Any]) -> RawManifest:
    """What refers to a manifest by its `subject`."""
    content = _blob(client, scratch, kind, f"{kind} of {subject['digest']}".encode())
    return _put(client, scratch, (media_types.EMPTY, {}), [content], more={"artifactType": kind, "subject": subject})


def _put(
    client: Transfer,
    scratch: Path,
    config: tuple[str, Mapping[str, Any]],
    layers: Sequence[Mapping[str, Any]],
    *,
    tag: str = "",
    more: Mapping[str, Any] | None = None,
) -> RawManifest:
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.MANIFEST,
        "config": _blob(client, scratch, config[0], _json(config[1])),
        "layers": list(layers),
        **(more or {}),
    }
    made = as_manifest(_json(document))
    client.put(REPOSITORY, tag or made.digest, made)
    return made


def _blob(client: Transfer, scratch: Path, media_type: str, content: bytes) -> dict[str, Any]:
    digest = digest_of(content)
    file = scratch / hashlib.sha256(content).hexdigest()
    file.write_bytes(content)
    try:
        client.upload(REPOSITORY, digest, file)
    finally:
        file.unlink()
    return {"mediaType": media_type, "digest": digest, "size": len(content)}


def _described(manifest: RawManifest) -> dict[str, Any]:
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.raw)}


def _digests(descriptors: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(it["digest"]) for it in descriptors]


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()
