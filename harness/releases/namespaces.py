# SPDX-License-Identifier: Apache-2.0
"""The job namespaces of a run: the checks' own, and those that a user's values must leave in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import UsageError

CHECK_NAMESPACE = "operator-checks"
"""A job namespace of the checks' own, so that nothing that they create is in a scenario's way."""


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
