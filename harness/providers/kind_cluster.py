# SPDX-License-Identifier: Apache-2.0
"""Creates one cluster through pytest-kind, in a separate process.

pytest-kind's KindCluster has no timeout and writes into the current folder; as a child process it gets both bounded.
Run as `python kind_cluster.py NAME KUBECONFIG IMAGE KIND KUBECTL CONFIG`; it imports nothing of the harness.
"""

from __future__ import annotations

import importlib
import logging
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

# What pytest-kind imports, but uses only once the cluster is there, or never. Importing it takes longer than kind takes
# to start a node, so it is imported meanwhile.
_LATE = ("pykube", "requests")


class _Late(ModuleType):
    """Stands for a module that is imported when something of it is used, by whichever thread."""

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__name__), attribute)


def main(argv: list[str]) -> None:
    """Create the cluster that the six arguments describe."""
    name, kubeconfig, image, kind, kubectl, config = argv
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cluster = _kind_cluster()(
        name,
        kubeconfig=Path(kubeconfig),
        image=image or None,
        kind_path=Path(kind),
        kubectl_path=Path(kubectl),
    )
    threading.Thread(target=importlib.import_module, args=("pykube",), daemon=True).start()
    cluster.create(config_file=config)


def _kind_cluster() -> Any:
    """pytest-kind's class, without what it need not have yet."""
    sys.modules.update({name: _Late(name) for name in _LATE})
    try:
        from pytest_kind import KindCluster
    finally:
        for name in _LATE:
            del sys.modules[name]
    return KindCluster


if __name__ == "__main__":
    main(sys.argv[1:])
