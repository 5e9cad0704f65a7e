# SPDX-License-Identifier: Apache-2.0
"""What a failure in the middle says of itself: apart from what makes it happen, which only a run needs."""

from __future__ import annotations

from harness.apps import samples
from harness.matrix.model import ClusterNeeds, Scenario
from harness.matrix.path_names import HELMS, USUAL

STRUCK = "struck-"
"""How the names of applications begin that a fault itself judges."""


def scenario(name: str, summary: str, *, timeout: float = 600.0) -> Scenario:
    """The description of a fault: alone on its cluster, on any path of upgrades."""
    return Scenario(
        name=name,
        summary=summary,
        timeout=timeout,
        images=(samples.chart_values().spark.image,),
        needs=ClusterNeeds(paths=("upgrade",), ways=(USUAL, *HELMS), cluster=name, places=2),
        takes_for_granted=("webhook",),
    )
