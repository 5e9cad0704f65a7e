# SPDX-License-Identifier: Apache-2.0
"""Media types of manifests and of what they list.

From the OCI image specification (media-types.md) and, where Docker Hub and Docker's own tools still serve their older
ones, from Docker's image manifest, version 2, schema 2.
"""

from __future__ import annotations

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
"""An uncompressed one; `+gzip` or `+zstd` follows otherwise."""

INDEXES = (INDEX, "application/vnd.docker.distribution.manifest.list.v2+json")
"""What lists images, by platform."""
MANIFESTS = (MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")
"""What describes one image."""

LAYOUT = {"imageLayoutVersion": "1.0.0"}
"""What the file oci-layout of an image layout holds (image-layout.md)."""
