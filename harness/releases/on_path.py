# SPDX-License-Identifier: Apache-2.0
"""A release on a path, as it is installed there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.matrix.release import Release
from harness.releases.charts import Chart


@dataclass(frozen=True, kw_only=True)
class ReleaseOnPath:
    """A release with its chart and the values that it needs to be what its name says; `kustomization` is its config/,
    where a way of the path asks for it.
    """

    release: Release
    chart: Chart
    values: Mapping[str, Any]
    kustomization: Path | None = None

    def with_users(self, users: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
        """Its values and the user's, the last of which win.

        No registry of a site has the operator under test: it keeps its image whatever a user's values pin.
        """
        return (*users, self.values) if self.release.under_test else (self.values, *users)
