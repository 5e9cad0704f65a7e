# SPDX-License-Identifier: Apache-2.0
"""Which paths there cannot be, and why."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from harness.matrix.model import CrdMode, PathKind, ValuesMode, WayName
from harness.matrix.path_names import ARGO_CD, KUSTOMIZE
from harness.matrix.release import Release
from harness.matrix.versions import UNDER_TEST, order


def why_not(kind: PathKind, releases: Sequence[Release], crds: CrdMode, ways: Sequence[WayName] = ()) -> str:
    """Why such a path is impossible; empty if it is possible. `releases` in order of installation."""
    if len(releases) < 2 or (kind == "rollback" and len(releases) != 2):
        return f"a path of this kind needs two releases{' or more' if kind == 'upgrade' else ''}: {kind}-A-B"
    for origin, target in pairwise(releases):
        if origin.name == target.name:
            return f"both ends are {origin.name}"
        if order(origin.name) > order(target.name):
            if kind == "rollback":
                return f"a rollback goes to an older release: rollback-{origin.name}-{target.name}"
            return (
                f"{target.name} is older than {origin.name}: Helm goes back by rollback: "
                f"rollback-{origin.name}-{target.name}"
            )
        if crds == "hook" and not target.hook_image:
            return f"the chart of {target.name} has no CRD hook, which came later"
    return why_not_in_ways(releases, crds, ways)


def why_not_in_ways(releases: Sequence[Release], crds: CrdMode, ways: Sequence[WayName]) -> str:
    """Why releases cannot get there in these ways, one for each step; empty if they can."""
    # A rollback goes back to the first of them.
    for way, release in zip(ways, (*releases, releases[0]), strict=False):
        if way in KUSTOMIZE and release.under_test:
            return f"{release.name} is under test, of which only the chart is tried"
        if way in ARGO_CD and release.version == UNDER_TEST:
            return (
                f"Argo CD tells releases apart by the versions of their charts, and {release.name} may have that of a "
                "release: give its chart the version of a pre-release, and name it so"
            )
        if way in KUSTOMIZE and not release.kustomize:
            return f"{release.name} has no kustomization that could be deployed, which came later"
    if any(way in KUSTOMIZE for way in ways[1:]) and crds != "apply":
        return f"Kustomize brings the CRDs along: +crds=apply, not +crds={crds}"
    if "kubectl" in ways[1:] and crds == "hook":
        return "without Helm there is no hook"
    return ""


def why_not_with_values(releases: Sequence[Release], values: ValuesMode) -> str:
    """Why an upgrade to the last of these cannot be had with such values; empty if it can."""
    if values == "pinned-registry" and releases[-1].under_test:
        return f"{releases[-1].name} is under test and in no registry but the run's own, which no value pins"
    return ""
