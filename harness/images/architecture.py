# SPDX-License-Identifier: Apache-2.0
"""What this machine is, in the terms of images: the nodes of a run are the same."""

from __future__ import annotations

import platform

_GOARCH = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """This machine's architecture in Go's terms, which images use."""
    machine = platform.machine()
    return _GOARCH.get(machine, machine)


def of_nodes() -> str:
    """The platform of the nodes that this machine makes: `linux/amd64`."""
    return f"linux/{architecture()}"
