# SPDX-License-Identifier: Apache-2.0
"""A claim about metrics: the endpoint serves the names that the release documents."""

from __future__ import annotations

from typing import Any

from harness.matrix.facts import IgnoredValue
from harness.releases import metrics
from harness.releases.asked import metrics_off
from harness.releases.metrics import MetricsPage
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, Verdict, errored, failed, passed, switched_off
from harness.wording import counted

_NAME = "metrics-served"


def served(observed: ObservedOperator) -> Finding:
    """The endpoint of who leads serves every documented name whose time has come; that of every other pod its own.

    A name shows up once it has counted something; those that nothing has made due during the soak are listed as such.
    """
    if off := metrics_off(observed.values):
        return switched_off(_NAME, off)
    if not observed.release.metrics:
        return errored(_NAME, f"the catalogue documents no metrics of release {observed.release.version}")
    seen = observed.metrics
    if isinstance(seen, Unseen):
        return errored(_NAME, seen.reason)
    page = seen.leading
    if page is None:
        return failed(_NAME, f"no pod serves the metrics of applications: {seen.why}")
    if closed := [f"{it.address}: {it.refused}" for it in (page, *seen.others) if it.refused]:
        return failed(_NAME, f"the port of metrics is closed: {'; '.join(closed)}")
    due, later = metrics.due(observed.release.metrics, observed.moments, page.prefix)
    documented = [it for it in due if it not in metrics.due((), frozenset())[0]]
    evidence: dict[str, Any] = {"served": sorted(set(due) & set(page.types)), "not_due_yet": sorted(later)}
    missing = sorted(set(due) - set(page.types))
    if missing:
        message = f"{page.address} ({seen.why}) does not serve {', '.join(missing)}"
        return failed(_NAME, message, missing=missing, **evidence)
    silent = [it.address for it in seen.others if metrics.OWN not in it.types]
    if silent:
        return failed(_NAME, f"{', '.join(silent)} does not serve {metrics.OWN}, which every pod has", **evidence)
    if page.asked:
        return _elsewhere(observed, page, evidence)
    if not documented:
        why = observed.moments_trouble or "no application was seen"
        return errored(_NAME, f"no documented metric was due, so none was looked at: {why}", **evidence)
    others = (
        f"; {counted(len(seen.others), 'other pod serves its', 'other pods serve their')} own" if seen.others else ""
    )
    return passed(
        _NAME,
        f"{page.address} ({seen.why}) serves {len(documented)} documented metrics that are due; {len(later)} have no "
        f"samples yet{others}",
        **evidence,
    )


def _elsewhere(observed: ObservedOperator, page: MetricsPage, evidence: dict[str, Any]) -> Finding:
    """The metrics are served, and not at the path of the values."""
    told = f"the values have the endpoint {page.asked}, which answers 404; {page.address} serves the metrics"
    known: IgnoredValue | None = observed.release.ignores("prometheus.metrics.endpoint")
    if known is None:
        return failed(_NAME, told, **evidence)
    facts = {**evidence, "why": known.means, "link": known.source, "way_out": known.way_out}
    message = f"{told}; known: {known.means} ({known.source})"
    return Finding(check=_NAME, verdict=Verdict.BROKEN_AS_KNOWN, message=message, evidence=facts)
