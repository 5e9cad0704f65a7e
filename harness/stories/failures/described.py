# SPDX-License-Identifier: Apache-2.0
"""What a failure in the middle says of itself: apart from what makes it happen, which only a run needs."""

from __future__ import annotations

from harness.apps import samples
from harness.matrix.model import ClusterNeeds, PathKind, Scenario
from harness.matrix.path_names import HELMS, USUAL

STRUCK = "struck-"
"""How the names of applications begin that a fault itself judges."""


def scenario(
    name: str, summary: str, *, timeout: float = 600.0, paths: tuple[PathKind, ...] = ("upgrade",), nodes: int = 1
) -> Scenario:
    """The description of a fault: alone on its cluster, which has so many nodes, on any path of upgrades."""
    return Scenario(
        name=name,
        summary=summary,
        timeout=timeout,
        images=(samples.chart_values().spark.image,),
        needs=ClusterNeeds(paths=paths, ways=(USUAL, *HELMS), cluster=name, places=2, nodes=nodes),
        takes_for_granted=("webhook",),
    )


def node_scenario(name: str, summary: str) -> Scenario:
    """The description of a fault that takes one of two workers away, on an install as well as on an upgrade."""
    return scenario(name, summary, timeout=900.0, paths=("install", "upgrade"), nodes=3)
