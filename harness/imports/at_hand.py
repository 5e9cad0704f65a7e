# SPDX-License-Identifier: Apache-2.0
"""The chart of a release on this machine: a user's imported one replaces the one that the foundry packaged."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ToolError
from harness.foundry import kustomization as kustomizations
from harness.foundry import operator
from harness.foundry.store import Store
from harness.imports import charts as imported
from harness.matrix.release import ChartSource, Release
from harness.releases import charts
from harness.releases.charts import Chart
from harness.settings import Settings


def chart(settings: Settings, release: Release) -> Chart | None:
    """The imported chart, else the one that the foundry has packaged; None if there is neither. Builds nothing.

    Raises UnavailableError for an imported one whose file is missing or has changed.
    """
    found = imported.find(settings, release.version)
    if found is not None:
        return found
    store = Store.of(settings)
    if "foundry" not in release.sources or not _is_stored(store, release):
        return None
    return charts.from_path(operator.chart(store, release.version), origin=ChartSource.FOUNDRY)


def kustomization(settings: Settings, release: Release) -> Path | None:
    """The release's config/ that the foundry has; None if there is none. Builds nothing."""
    if not release.kustomize or "foundry" not in release.sources:
        return None
    try:
        return kustomizations.stored(Store.of(settings), release.version)
    except ToolError:
        return None


def _is_stored(store: Store, release: Release) -> bool:
    try:
        return store.get(operator.chart_recipe(release.version)) is not None
    except ToolError:
        # The key of an artefact has the version of Go in it, and whoever has no Go has built nothing either.
        return False
