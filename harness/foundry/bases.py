# SPDX-License-Identifier: Apache-2.0
"""All base systems of the foundry, and which Debian packages the stored ones have."""

from __future__ import annotations

import hashlib

from harness.foundry import debian, node_systems, spark
from harness.foundry.debian import BaseSystem
from harness.foundry.store import Store
from harness.foundry.supply import describe


def systems() -> tuple[BaseSystem, ...]:
    """Those of nodes, of kube-proxy and of Spark. Raises CatalogueError."""
    return (node_systems.base_system(), node_systems.proxy_system(), spark.catalogue().base)


def digests(store: Store) -> dict[str, str]:
    """Name of each stored base system → digest of its packages with their versions, whatever is known of their hashes.

    Raises OSError when one cannot be read.
    """
    found = {}
    for base in systems():
        artifact = store.get(debian.recipe(base))
        if artifact is None:
            continue
        lines = sorted(f"{it.name} {it.version}\n" for it in describe.note(artifact.folder).components)
        found[base.name] = f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"
    return found
