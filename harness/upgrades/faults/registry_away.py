# SPDX-License-Identifier: Apache-2.0
"""fault-registry-away: the registry of the new image cannot be reached for a while."""

from __future__ import annotations

from collections.abc import Iterator

from harness.kube.pull_messages import REGISTRY_AWAY
from harness.releases.install import InstalledRelease
from harness.upgrades import detour, faulty, pulling
from harness.upgrades.bystanders import Bystanders
from harness.upgrades.faulty import FaultContext
from harness.verdicts import Finding

SCENARIO = faulty.scenario("fault-registry-away", "the registry is away while the new image is to be pulled")


def run(ctx: FaultContext) -> list[Finding]:
    """Upgrade while this cluster's node cannot reach the registry, and let the registry come back."""
    return faulty.tell(ctx, _story)


def _story(ctx: FaultContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    yield from pulling.upgrade_through(ctx, here, by, url=detour.NOWHERE, kind=REGISTRY_AWAY)
