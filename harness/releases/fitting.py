# SPDX-License-Identifier: Apache-2.0
"""Whether a user's values fit a chart, found out by rendering: theirs is the mistake then, and not the release's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.errors import UsageError
from harness.releases.charts import Chart
from harness.releases.helm import Helm, HelmError
from harness.releases.values import merge


def misfit(
    helm: Helm,
    chart: Chart,
    name: str,
    namespace: str,
    own: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
) -> str:
    """Why the chart does not render with the user's values on top of our own, in Helm's words; empty when it does.

    Empty too where it does not render without them either. Raises CommandTimeout, and ToolError for an unusable Helm.
    """
    said = _refusal(helm, chart, name, namespace, merge(*own, *users))
    return said if said and not _refusal(helm, chart, name, namespace, merge(*own)) else ""


def require_namespaces(values: Mapping[str, Any], wanted: Iterable[str]) -> None:
    """Raise UsageError for values that set spark.jobNamespaces without what a run needs."""
    spark = values.get("spark")
    if not isinstance(spark, Mapping) or "jobNamespaces" not in spark:
        return
    listed = spark["jobNamespaces"] if isinstance(spark["jobNamespaces"], list) else []
    missing = [it for it in wanted if it not in listed and "" not in listed]
    if missing:
        raise UsageError(
            f"the values set spark.jobNamespaces to {listed}, without {', '.join(missing)}, which the run needs",
            "leave spark.jobNamespaces out of the values file: the harness fills it in",
        )


def _refusal(helm: Helm, chart: Chart, name: str, namespace: str, values: Mapping[str, Any]) -> str:
    try:
        helm.template(chart, name, namespace, values)
    except HelmError as refused:
        return refused.message
    return ""
