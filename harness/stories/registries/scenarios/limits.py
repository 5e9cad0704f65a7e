# SPDX-License-Identifier: Apache-2.0
"""registry-limit-MOMENT-HOME: Docker Hub leaves no pull when a release is installed, upgraded, at work or restarted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from harness import late
from harness.apps import samples
from harness.apps.trial import trial
from harness.matrix.model import ClusterNeeds, Scenario
from harness.stories.registries import catalogue
from harness.stories.registries.own_registries import RegistrySetup

if TYPE_CHECKING:
    from harness.apps.objects import Objects
    from harness.stories.registries import pull_limit
    from harness.stories.registries.catalogue import LimitRow
    from harness.stories.registries.context import PullContext
    from harness.verdicts import Finding
else:
    pull_limit = late.module("harness.stories.registries.pull_limit")

_PREFIX = "registry-limit-"
_WHEN = {
    "install": "the release is installed",
    "upgrade": "the release is upgraded",
    "scale": "executors come that need an image which the node lacks",
    "restart": "the node is restarted",
}


def scenarios() -> Mapping[str, Scenario]:
    """One scenario a row."""
    return {f"{_PREFIX}{row.name}": _scenario(row) for row in catalogue.load().limit}


def _scenario(row: LimitRow) -> Scenario:
    return Scenario(
        name=f"{_PREFIX}{row.name}",
        summary=f"no pull from docker.io is left when {_WHEN[row.moment]}; images live on {row.home}",
        timeout=400.0,
        images=(samples.chart_values().spark.image,),
        needs=_needs(row),
    )


def _needs(row: LimitRow) -> ClusterNeeds:
    if row.moment == "upgrade":
        # Each upgrade needs the previous release.
        return ClusterNeeds(paths=("upgrade",), cluster=f"registry-limit-{row.name}", places=2)
    return ClusterNeeds(cluster=f"registry-limits{'-cached' * (row.home == 'cache')}", installed="nothing")


def setup(name: str) -> RegistrySetup:
    """Public packages; nodes reach docker.io through a cache when images live there."""
    return RegistrySetup(cached=_row(name).home == "cache")


def run(ctx: PullContext, name: str) -> list[Finding]:
    """Let the limit be reached, do it, look, let the window be over."""
    return trial(ctx, lambda _, objects: _steps(ctx, objects, _row(name)))


def _row(name: str) -> LimitRow:
    return next(it for it in catalogue.load().limit if f"{_PREFIX}{it.name}" == name)


def _steps(ctx: PullContext, objects: Objects, row: LimitRow) -> Iterator[Finding]:
    with pull_limit.MOMENTS[row.moment](ctx, objects, row.home) as moment:
        yield from pull_limit.through(ctx, moment, row)
