# SPDX-License-Identifier: Apache-2.0
"""A release on a path, as it is installed there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.matrix.model import Release
from harness.releases.charts import Chart


@dataclass(frozen=True, kw_only=True)
class ReleaseOnPath:
    """A release with its chart and the values that it needs to be what its name says."""

    release: Release
    chart: Chart
    values: Mapping[str, Any]
