# SPDX-License-Identifier: Apache-2.0
"""A claim about metrics: the endpoint serves the names that the release documents."""

from __future__ import annotations

from typing import Any

from harness.releases import metrics
from harness.releases.observe import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed, unavailable


def served(observed: ObservedOperator) -> Finding:
    """The controller's endpoint serves every documented name whose time has come.

    A name shows up once it has counted something; those that nothing has made due during the soak are listed as such.
    """
    name = "metrics-served"
    configured = _metrics_values(observed)
    if configured.get("enable") is False:
        return unavailable(name, "metrics are disabled in the values (prometheus.metrics.enable)")
    if not observed.release.metrics:
        return errored(name, f"the catalogue documents no metrics of release {observed.release.version}")
    page = observed.metrics
    if isinstance(page, Unseen):
        return errored(name, page.reason)
    due, later = metrics.due(observed.release.metrics, observed.moments, configured.get("prefix", ""))
    documented = [it for it in due if it not in metrics.due((), frozenset())[0]]
    evidence: dict[str, Any] = {"served": sorted(set(due) & set(page.types)), "not_due_yet": sorted(later)}
    missing = sorted(set(due) - set(page.types))
    if missing:
        return failed(name, f"{page.address} does not serve {', '.join(missing)}", missing=missing, **evidence)
    if not documented:
        why = observed.moments_trouble or "no application was seen"
        return errored(name, f"no documented metric was due, so that none was looked at: {why}", **evidence)
    return passed(
        name,
        f"{page.address} serves {len(documented)} documented metrics that are due; {len(later)} have no samples yet",
        **evidence,
    )


def _metrics_values(observed: ObservedOperator) -> dict[str, Any]:
    prometheus = observed.values.get("prometheus") or {}
    return dict(prometheus.get("metrics") or {})
