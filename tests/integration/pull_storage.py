# SPDX-License-Identifier: Apache-2.0
"""A storage as the foundry keeps it, with small images under the names of a release's."""

from __future__ import annotations

from pathlib import Path

from fronts import Crane

from harness.registries.front.profile import profile
from harness.registries.front.server import Front
from harness.stories.registries.own_registries import GHCR, HUB

SPARK = "apache/spark"
_IMAGES = {
    GHCR: ["kubeflow/spark-operator/controller:2.5.2", "kubeflow/spark-operator/kubectl:2.5.2"],
    HUB: [f"{SPARK}:4.0.4"],
}


def fill(folder: Path, *, crane: Path, registry: Path) -> Path:
    """Push them, and return the folder with one storage a registry host."""
    for host, names in _IMAGES.items():
        home = folder / "front" / host
        with Front(profile(host), folder=home, binary=registry, storage=folder / host) as front:
            push = Crane(program=crane, front=front, home=home)
            push.login("writer")
            for name in names:
                push.push(name)
    return folder
