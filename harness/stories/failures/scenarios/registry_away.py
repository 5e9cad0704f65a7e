# SPDX-License-Identifier: Apache-2.0
"""fault-registry-away: the registry of the new image cannot be reached for a while."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.kube.pull_messages import REGISTRY_AWAY
from harness.stories.failures.described import scenario

if TYPE_CHECKING:
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.failures import fault, registry_outage
    from harness.stories.failures.bystanders import Bystanders
    from harness.stories.path_context import PathContext
    from harness.upgrades import detour
    from harness.verdicts import Finding
else:
    fault = late.module("harness.stories.failures.fault")
    registry_outage = late.module("harness.stories.failures.registry_outage")
    detour = late.module("harness.upgrades.detour")

SCENARIO = scenario("fault-registry-away", "the registry cannot be reached when the new image is pulled")


def run(ctx: PathContext) -> list[Finding]:
    """Upgrade while this cluster's node cannot reach the registry, and let the registry come back."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    yield from registry_outage.upgrade_through(ctx, here, by, url=detour.NOWHERE, kind=REGISTRY_AWAY)
