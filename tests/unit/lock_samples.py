# SPDX-License-Identifier: Apache-2.0
"""A lock for the tests of locks."""

from __future__ import annotations

from typing import Any

from harness.run.lock import Lock, LockedChart, LockedEnvironment, LockedImage, LockedNode, LockedRelease

CELL = "kind-1.34/install-2.5.2/spark-pi"
OPERATOR = "ghcr.io/kubeflow/spark-operator/controller:2.5.2"
NODE = LockedNode(image="spark-operator-harness/kind-node", identity="recipe 0123456789ab")


def environment(**changes: Any) -> LockedEnvironment:
    """The lock's environment."""
    values = {"name": "kind-1.34", "provider": "kind", "kubernetes": "1.34.4", "distribution": "kubernetes"}
    return LockedEnvironment(**{**values, "node": NODE, **changes})


def chart(**changes: Any) -> LockedChart:
    """The lock's chart."""
    values = {"name": "spark-operator", "version": "2.5.2", "app_version": "2.5.2", "origin": "foundry"}
    return LockedChart(**{**values, "sha256": "ab" * 32, **changes})


def lock(**changes: Any) -> Lock:
    """A lock."""
    values: dict[str, Any] = {
        "harness_version": "0.1.0",
        "cell": CELL,
        "source": "foundry",
        "environment": environment(),
        "release": LockedRelease(version="2.5.2", registry="ghcr.io", repository="kubeflow/spark-operator/controller"),
        "chart": chart(),
        "images": (LockedImage(reference=OPERATOR, digest="sha256:" + "11" * 32),),
        "values": {"controller": {"replicas": 1}},
        "tools": {"helm": "3.22.0"},
        "seed": 7,
    }
    return Lock(**{**values, **changes})
