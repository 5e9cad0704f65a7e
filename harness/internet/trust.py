# SPDX-License-Identifier: Apache-2.0
"""The internet's CA, where it has to be trusted: in the copy of /etc of its machine, and in the node images."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness import process
from harness.errors import HarnessError
from harness.foundry.layers import LayerWriter, write_layer
from harness.images.mirrors import Mirror
from harness.images.references import ImageReference
from harness.internet import indexes
from harness.registries import local
from harness.registries.push import Transfer

# It calls openssl for each of some hundred and fifty certificates.
_SECONDS = 300.0
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def in_etc(etc: Path, ca: bytes) -> None:
    """Add a CA to those that programs trust, as `update-ca-certificates` does. Raises CommandError."""
    own = etc.parent / "certificates"
    own.mkdir(parents=True)
    (own / "rehearsed-internet.crt").write_bytes(ca)
    words: list[str | Path] = ["--localcertsdir", own, "--etccertsdir", etc / "ssl/certs"]
    words += ["--certsconf", etc / "ca-certificates.conf"]
    process.call(["update-ca-certificates", *words, "--hooksdir", own / "no-hooks"], timeout=_SECONDS)


def in_nodes(registry: Path, storage: Path, references: Sequence[str], ca: bytes) -> dict[str, str]:
    """Put images in the place of these that trust the CA, as indexes; reference → the index's digest.

    A node of the foundry trusts nobody, since its registries need no CA.
    """
    digests = {}
    for reference in references:
        name = ImageReference.parse(reference)
        with (
            tempfile.TemporaryDirectory(prefix="soh-internet-") as scratch,
            local.serve(registry, storage / name.registry, Path(scratch) / "registry.log") as server,
            Transfer(Mirror(url=server.url), name.registry, push=True) as client,
        ):
            found = client.raw(name.repository, name.tag)
            if found is None:
                raise HarnessError(f"the internet's content has no {reference}")

            def fill(layer: LayerWriter) -> None:
                layer.text(_BUNDLE, ca)

            layer = write_layer(Path(scratch), "ca", fill)
            made = indexes.with_layer(client, name.repository, found, layer)
            digests[reference] = indexes.put_index(client, name.repository, name.tag, made)
    return digests
