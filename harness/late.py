# SPDX-License-Identifier: Apache-2.0
"""Libraries that are slow to import, loaded when something of them is first used.

Together they take longer than all the rest of a command. `harness matrix` uses none of them, and a run uses them while
its first cluster is being made. A name from here stands for the module: after `from harness.late import client`,
`client.CoreV1Api` loads it. Base classes, and values at the top of a module, would load it with that module.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import filelock
    import httpx
    import jwt
    import psutil
    import urllib3
    from cryptography import x509
    from kubernetes import client, config, watch
    from kubernetes import stream as streams
    from kubernetes.config import kube_config
    from kubernetes.utils import quantity as quantities

__all__ = [
    "client",
    "config",
    "filelock",
    "httpx",
    "jwt",
    "kube_config",
    "load",
    "module",
    "psutil",
    "quantities",
    "streams",
    "urllib3",
    "watch",
    "x509",
]


def module(name: str) -> Any:
    """What stands for a module of the harness itself that few commands need; to be typed by an import that only type
    checkers see.
    """
    return _Module(name)


def load(*names: str) -> None:
    """Import these modules, since there is time for it now, and will be none when they are used."""
    for name in names:
        importlib.import_module(name)


class _Module:
    """Stands for a module; safe to use from several threads, as importing is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


if not TYPE_CHECKING:
    client = _Module("kubernetes.client")
    config = _Module("kubernetes.config")
    filelock = _Module("filelock")
    httpx = _Module("httpx")
    jwt = _Module("jwt")
    kube_config = _Module("kubernetes.config.kube_config")
    psutil = _Module("psutil")
    quantities = _Module("kubernetes.utils.quantity")
    streams = _Module("kubernetes.stream")
    urllib3 = _Module("urllib3")
    watch = _Module("kubernetes.watch")
    x509 = _Module("cryptography.x509")
