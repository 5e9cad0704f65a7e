# SPDX-License-Identifier: Apache-2.0
"""The chart of a release that lies on this machine: what a user imported stands for what the foundry packed."""

from __future__ import annotations

from harness.foundry import operator
from harness.foundry.store import Store
from harness.imports import charts as imported
from harness.matrix.model import ChartSource, Release
from harness.releases import charts
from harness.releases.charts import Chart
from harness.settings import Settings


def chart(settings: Settings, release: Release) -> Chart | None:
    """The imported chart, else the one that the foundry has packed; None where there is neither. Builds nothing.

    Raises UnavailableError for an imported one whose file is gone or holds something else by now.
    """
    found = imported.find(settings, release.version)
    if found is not None:
        return found
    store = Store.of(settings)
    if "foundry" not in release.sources or store.get(operator.chart_recipe(release.version)) is None:
        return None
    return charts.from_path(operator.chart(store, release.version), origin=ChartSource.FOUNDRY)
