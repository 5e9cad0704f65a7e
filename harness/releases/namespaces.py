# SPDX-License-Identifier: Apache-2.0
"""The job namespaces of a run: the checks' own, those of its scenarios, and those of a user's values beside them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harness.errors import UsageError
from harness.releases.values import merge

CHECK_NAMESPACE = "operator-checks"
"""A job namespace of the checks' own, so that nothing that they create is in a scenario's way."""


def of_values(values: Mapping[str, Any]) -> list[str]:
    """What values have in spark.jobNamespaces; nothing where they do not set it. Raises UsageError for no list."""
    spark = values.get("spark")
    if spark is not None and not isinstance(spark, Mapping):
        raise UsageError(
            f"the values set spark to {str(spark)[:80]!r}, which is not a mapping",
            "write it as the chart has it: spark: {jobNamespaces: [default]}",
        )
    listed = spark.get("jobNamespaces") if isinstance(spark, Mapping) else None
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(it, str) for it in listed):
        raise UsageError(
            f"the values set spark.jobNamespaces to {listed!r}, which is not a list of names",
            "write it as the chart has it: spark: {jobNamespaces: [default]}",
        )
    return listed


_BETWEEN = re.compile(r",(?![^()]*\))")
_OF_NO_LABEL = re.compile(r"!.*|[^=]*!=.*|\S+\s+notin\b.*")


def requirements(selector: str) -> list[str]:
    """Each requirement of a selector of labels that is written as a text."""
    return [it.strip() for it in _BETWEEN.split(selector)]


def takes_any(selector: object) -> bool:
    """Whether a selector takes in namespaces without any label: each of its requirements says what is not to be."""
    given = isinstance(selector, str) and bool(selector.strip())
    return given and all(_OF_NO_LABEL.fullmatch(it) for it in requirements(str(selector)))


def with_job_namespaces(values: Mapping[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Values whose spark.jobNamespaces are the user's own, and those that the run needs after them.

    An empty name, which stands for all namespaces, stays: the chart then makes accounts in the others, and watches all.
    """
    there = of_values(values)
    added = [it for it in dict.fromkeys(wanted) if it not in there]
    return merge(values, {"spark": {"jobNamespaces": [*there, *added]}}) if added else merge(values)
