# SPDX-License-Identifier: Apache-2.0
"""The Debian systems below nodes: that of a node, and that of the kube-proxy image."""

from __future__ import annotations

from pathlib import Path

from harness.foundry import debian
from harness.foundry.kubernetes import NODES
from harness.matrix.rows import Model
from harness.toml_source import TomlSource

_BASE_FILE = NODES / "base.toml"


class BaseSystems(Model):
    """clusters/nodes/base.toml."""

    node: debian.BaseSystem
    proxy: debian.BaseSystem


def base_system() -> debian.BaseSystem:
    """The Debian base of a node. Raises CatalogueError."""
    return read_bases(_BASE_FILE).node


def proxy_system() -> debian.BaseSystem:
    """The Debian base of the kube-proxy image, which calls iptables. Raises CatalogueError."""
    return read_bases(_BASE_FILE).proxy


def read_bases(file: Path) -> BaseSystems:
    """A file of base systems. Raises CatalogueError with file, line and key."""
    return TomlSource.read(file).validated(BaseSystems)
