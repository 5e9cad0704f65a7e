# SPDX-License-Identifier: Apache-2.0
"""Creates one cluster through pytest-kind, in a separate process.

pytest-kind's KindCluster has no timeout and writes into the current folder; as a child process it gets both bounded.
Run as `python kind_cluster.py NAME KUBECONFIG IMAGE KIND KUBECTL CONFIG`; it imports nothing of the harness.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from pytest_kind import KindCluster


def main(argv: list[str]) -> None:
    """Create the cluster that the six arguments describe."""
    name, kubeconfig, image, kind, kubectl, config = argv
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    cluster = KindCluster(
        name,
        kubeconfig=Path(kubeconfig),
        image=image or None,
        kind_path=Path(kind),
        kubectl_path=Path(kubectl),
    )
    cluster.create(config_file=config)


if __name__ == "__main__":
    main(sys.argv[1:])
