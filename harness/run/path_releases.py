# SPDX-License-Identifier: Apache-2.0
"""The releases of a path with what their ways need of them: charts, values, and config/ for Kustomize."""

from __future__ import annotations

from harness.matrix.model import Path
from harness.matrix.path_names import KUSTOMIZE
from harness.releases import relocate
from harness.releases.on_path import ReleaseOnPath
from harness.run.locking import Locker
from harness.run.resources import Resources
from harness.run.setup import Request


def find(asked: Request, resources: Resources, locker: Locker, path: Path) -> dict[str, ReleaseOnPath]:
    """They, by name; the lock learns the charts. Raises UnavailableError. --chart is about the last of them."""
    found: dict[str, ReleaseOnPath] = {}
    names, asking = path.releases, _for_kustomize(path)
    for name in names:
        release = asked.catalogue.release(name)
        own = "" if asked.under_test or name != names[-1] else asked.options.chart or ""
        chart = resources.charts.find(release, wanted=own)
        if asked.under_test is not None:
            resources.compare_operator(release, chart)
        found[name] = ReleaseOnPath(
            release=release,
            chart=chart,
            values=relocate.values_for(release),
            kustomization=resources.charts.kustomization(release) if name in asking else None,
        )
    locker.learn(
        chart=found[names[-1]].chart, before={name: it.chart for name, it in found.items() if name != names[-1]}
    )
    return found


def _for_kustomize(path: Path) -> set[str]:
    """The releases that a step of the path deploys by Kustomize; the last step of a rollback is about the first."""
    steps = [*path.releases, *(path.releases[:1] if path.kind == "rollback" else ())]
    return {name for step, name in enumerate(steps) if path.way(step) in KUSTOMIZE}
