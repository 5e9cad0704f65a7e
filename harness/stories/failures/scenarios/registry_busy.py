# SPDX-License-Identifier: Apache-2.0
"""fault-registry-busy: the registry answers 429 for a while, as Docker Hub does beyond its pull limit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness import late
from harness.kube.pull_messages import REGISTRY_BUSY
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

SCENARIO = scenario("fault-registry-busy", "the registry answers 429 when the new image is pulled")


def run(ctx: PathContext) -> list[Finding]:
    """Upgrade while this cluster's node is told that it pulled too much, and let the limit be over."""
    return fault.tell(ctx, _story)


def _story(ctx: PathContext, here: InstalledRelease, by: Bystanders) -> Iterator[Finding | InstalledRelease]:
    with detour.BusyRegistry(detour.gateway(ctx.provider, ctx.cluster)) as busy:
        yield from registry_outage.upgrade_through(ctx, here, by, url=busy.url, kind=REGISTRY_BUSY)
