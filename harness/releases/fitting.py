# SPDX-License-Identifier: Apache-2.0
"""Whether a user's values fit a chart, found out by rendering: theirs is the mistake then, and not the release's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.releases.charts import Chart
from harness.releases.helm import Helm, HelmError
from harness.releases.namespaces import with_job_namespaces
from harness.releases.values import merge


def misfit(
    helm: Helm,
    chart: Chart,
    name: str,
    namespace: str,
    own: Sequence[Mapping[str, Any]],
    users: Sequence[Mapping[str, Any]],
    job_namespaces: Sequence[str],
) -> str:
    """Why the chart does not render with the user's values on top of our own, in Helm's words; empty when it does.

    `job_namespaces` are the run's, which come after the user's.
    Empty too where it does not render without them either. Raises CommandTimeout, and ToolError for an unusable Helm.
    """
    given, without = (with_job_namespaces(merge(*it), job_namespaces) for it in ((*own, *users), own))
    said = _refusal(helm, chart, name, namespace, given)
    return said if said and not _refusal(helm, chart, name, namespace, without) else ""


def _refusal(helm: Helm, chart: Chart, name: str, namespace: str, values: Mapping[str, Any]) -> str:
    try:
        helm.template(chart, name, namespace, values)
    except HelmError as refused:
        return refused.message
    return ""
