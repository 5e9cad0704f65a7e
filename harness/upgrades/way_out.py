# SPDX-License-Identifier: Apache-2.0
"""The way out of an upgrade that is known to break: tried on the cluster on which it broke."""

from __future__ import annotations

import time
from dataclasses import dataclass

from harness.apps import samples
from harness.errors import HarnessError
from harness.kube.cluster import Cluster
from harness.releases import change, crds
from harness.releases.change import Wanted
from harness.releases.operator_seen import Unseen
from harness.releases.ways.protocol import InstalledRelease, Programs
from harness.upgrades import one_application
from harness.waiting import Cancelled

_NAME = "after-way-out"


@dataclass(frozen=True, kw_only=True)
class WayOutSeen:
    """What came of the upgrade in another CRD mode: its commands, why it did not get to its end (else empty), where the
    CRDs in the cluster are not the chart's, and state and error of a new application. `seconds` is the whole time.
    """

    release: str
    commands: tuple[str, ...]
    wrong: str
    differences: tuple[str, ...]
    state: str
    error: str
    seconds: float


def take(
    cluster: Cluster, here: InstalledRelease, wanted: Wanted, programs: Programs, rendering: samples.RenderedFor
) -> WayOutSeen | Unseen:
    """Upgrade once more, in the CRD mode of `wanted`, and submit a new application. Raises Cancelled."""
    began = time.monotonic()
    try:
        came = change.upgrade(cluster, here, wanted, programs)
        wrong, state, error = came.helm_error or came.trouble or came.rollout_error, "", ""
        with cluster.api_client() as api:
            differences = crds.apart(api, wanted.chart)
            if not wrong:
                state, error = one_application.run(api, rendering, _NAME, came.installed.values)
    except Cancelled:
        raise
    except HarnessError as away:
        return Unseen(reason=f"the way out could not be followed: {away}")
    return WayOutSeen(
        release=wanted.release.name,
        commands=tuple(it.command for it in came.steps),
        wrong=wrong,
        differences=tuple(differences),
        state=state,
        error=error,
        seconds=round(time.monotonic() - began, 1),
    )
