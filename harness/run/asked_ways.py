# SPDX-License-Identifier: Apache-2.0
"""What cannot be asked for together with a way of installing."""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.matrix.model import Cell
from harness.matrix.path_names import KUSTOMIZE, by_helm


def require(cells: Iterable[Cell], *, values: bool, release: bool, existing: bool) -> None:
    """Raise UsageError where a path's way takes no `values` or no name of a `release`, or is none for an `existing`
    cluster, in which a run may touch only what carries its labels.
    """
    for path in {cell.path.name: cell.path for cell in cells}.values():
        kustomize = [way for way in path.ways if way in KUSTOMIZE]
        others = [way for way in path.ways if not by_helm(way)]
        if kustomize and (values or path.profile):
            raise UsageError(
                f"{path.name}: Kustomize takes no values",
                "leave out --values and the profile, or choose another way",
            )
        if kustomize and release:
            raise UsageError(
                f"{path.name}: config/ names its objects and its namespace itself",
                "leave out --release-name and --namespace, or choose a path of another way",
            )
        if others and existing:
            raise UsageError(
                f"{path.name}: in an existing cluster, only Helm installs releases",
                "choose a path of Helm",
            )
