# SPDX-License-Identifier: Apache-2.0
"""Claims about CustomResourceDefinitions: they are established, and they are the chart's."""

from __future__ import annotations

from harness.releases.crds import differences
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, errored, failed, passed


def established(observed: ObservedOperator) -> Finding:
    """Every CRD of the release is there and established."""
    name = "crds-established"
    if isinstance(observed.crds, Unseen):
        return errored(name, observed.crds.reason)
    if not observed.release.crds:
        return errored(name, f"the catalogue names no CRD of release {observed.release.version}")
    there = {crd.name: crd.established for crd in observed.crds}
    missing = [it for it in observed.release.crds if it not in there]
    waiting = [it for it, ready in there.items() if not ready]
    if missing or waiting:
        parts = [
            f"missing: {', '.join(missing)}" if missing else "",
            f"not established: {', '.join(waiting)}" if waiting else "",
        ]
        return failed(name, "; ".join(filter(None, parts)), crds=there)
    return passed(name, f"{len(there)} CRDs are established", crds=sorted(there))


def equal_to_chart(observed: ObservedOperator) -> Finding:
    """Every CRD of the chart means the same in the cluster: names, versions, schemas, subresources, columns."""
    name = "crds-equal-chart"
    if isinstance(observed.crds, Unseen):
        return errored(name, observed.crds.reason)
    if isinstance(observed.chart_crds, Unseen):
        return errored(name, observed.chart_crds.reason)
    if not observed.chart_crds:
        return errored(name, "the chart has no CRD in crds/ to compare with")
    unnamed = sorted(set(observed.chart_crds) ^ set(observed.release.crds))
    if unnamed:
        return errored(name, f"chart and catalogue disagree about {', '.join(unnamed)}")
    cluster = {crd.name: crd.spec for crd in observed.crds}
    wrong = {
        crd: differences(spec, cluster[crd]) if crd in cluster else ["missing in the cluster"]
        for crd, spec in observed.chart_crds.items()
    }
    wrong = {crd: lines for crd, lines in wrong.items() if lines}
    if wrong:
        first = "; ".join(f"{crd}: {lines[0]}" for crd, lines in wrong.items())
        return failed(name, f"the cluster's CRDs are not the chart's: {first}", differences=wrong)
    return passed(name, f"{len(cluster)} CRDs have the same schemas as in the chart", crds=sorted(cluster))
