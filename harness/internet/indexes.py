# SPDX-License-Identifier: Apache-2.0
"""Images in the form in which public registries have them: an index of a platform and its attestation."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harness.foundry.layers import Layer
from harness.images import media_types
from harness.images.architecture import architecture
from harness.images.mirrors import Mirror
from harness.registries.push import RawManifest, Transfer, as_manifest, digest_of

_STATEMENT_TYPE = "application/vnd.in-toto+json"


def with_attestations(url: str, host: str, tags: Iterable[tuple[str, str]]) -> None:
    """Put an index in the place of each image: its platform, and an attestation as BuildKit adds it.

    See docs.docker.com/build/metadata/attestations/attestation-storage.
    """
    with Transfer(Mirror(url=url), host, push=True) as client:
        for repository, tag in tags:
            manifest = _manifest(client, repository, tag)
            if not manifest.is_index:
                put_index(client, repository, tag, manifest)


def put_index(client: Transfer, repository: str, tag: str, manifest: RawManifest) -> str:
    """Push an index of an image and its attestation under a tag; the index's digest."""
    platform = {"os": "linux", "architecture": architecture()}
    statement = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": f"{repository}:{tag}", "digest": {"sha256": manifest.digest.partition(":")[2]}}],
        "predicate": {"buildType": "https://mobyproject.org/buildkit@v1"},
    }
    unknown = {"os": "unknown", "architecture": "unknown"}
    layer = _upload(client, repository, statement, _STATEMENT_TYPE)
    config = _upload(
        client, repository, {**unknown, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}},
        media_types.CONFIG,
    )  # fmt: skip
    attestation = _document(
        {"schemaVersion": 2, "mediaType": media_types.MANIFEST, "config": config, "layers": [layer]}
    )
    client.put(repository, attestation.digest, attestation)
    notes = {
        "vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": manifest.digest,
    }
    index = _document(
        {
            "schemaVersion": 2,
            "mediaType": media_types.INDEX,
            "manifests": [
                {**_descriptor(manifest), "platform": platform},
                {**_descriptor(attestation), "platform": unknown, "annotations": notes},
            ],
        }
    )
    client.put(repository, tag, index)
    return index.digest


def with_layer(client: Transfer, repository: str, manifest: RawManifest, layer: Layer) -> RawManifest:
    """Push the image with a layer on top, and return its manifest."""
    config_digest = str(manifest.content["config"]["digest"])
    with tempfile.TemporaryDirectory(prefix="soh-internet-") as scratch:
        file = Path(scratch) / "config"
        client.download(repository, config_digest, int(manifest.content["config"]["size"]), file)
        config = json.loads(file.read_bytes())
    config["rootfs"]["diff_ids"].append(layer.diff_id)
    config.setdefault("history", []).append({"created": "1970-01-01T00:00:00Z", "created_by": "a CA to trust"})
    client.upload(repository, layer.digest, layer.file)
    kind = str(manifest.content["config"]["mediaType"])
    of_docker = manifest.media_type == media_types.MANIFESTS[1]
    added = {
        **layer.descriptor,
        **({"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip"} if of_docker else {}),
    }
    made = _document(
        {
            **manifest.content,
            "config": _upload(client, repository, config, kind),
            "layers": [*manifest.content["layers"], added],
        }
    )
    client.put(repository, made.digest, made)
    return made


def _manifest(client: Transfer, repository: str, identifier: str) -> RawManifest:
    found = client.raw(repository, identifier)
    if found is None:
        raise LookupError(f"{repository} {identifier}")
    return found


def _upload(client: Transfer, repository: str, document: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    raw = json.dumps(document, separators=(",", ":")).encode()
    with tempfile.TemporaryDirectory(prefix="soh-internet-") as scratch:
        file = Path(scratch) / "blob"
        file.write_bytes(raw)
        client.upload(repository, digest_of(raw), file)
    return {"mediaType": media_type, "digest": digest_of(raw), "size": len(raw)}


def _document(content: Mapping[str, Any]) -> RawManifest:
    return as_manifest(json.dumps(content, separators=(",", ":")).encode())


def _descriptor(manifest: RawManifest) -> dict[str, Any]:
    return {"mediaType": manifest.media_type, "digest": manifest.digest, "size": len(manifest.raw)}
