# SPDX-License-Identifier: Apache-2.0
"""One run of a path for all cells of its cluster, and the findings of each about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from harness.apps import samples
from harness.apps.users import USERS
from harness.kube.interruptions import finding_of, findings_of
from harness.matrix.model import Cell
from harness.matrix.path_names import crds_left
from harness.releases import lease_times
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.releases.values import merge
from harness.stories.foreseen import judged
from harness.upgrades import way_out
from harness.upgrades.observed import ObservedPath
from harness.upgrades.parting_logs import PARTING, PartingLogs
from harness.upgrades.path_run import PathRun
from harness.upgrades.prober import Prober
from harness.upgrades.reinstall import ReinstallSeen, reinstall
from harness.upgrades.user_apps import NAMESPACES
from harness.upgrades.workload import Workload
from harness.upgrades.workload_context import WorkloadContext
from harness.verdicts import Finding, Verdict, failed
from harness.waiting import Cancelled, Deadline

if TYPE_CHECKING:
    from harness.releases.change import Wanted
    from harness.releases.operator_seen import Unseen
    from harness.releases.ways.protocol import InstalledRelease
    from harness.stories.cluster import PreparedCluster
    from harness.stories.protocol import CellRun, RunContext
    from harness.upgrades.way_out import WayOutSeen

_PATH_SECONDS = 900.0
"""For all that happens along a path, whatever its length."""

Judge = Callable[[ObservedPath, Cell], Iterable[Finding]]


def run_together(run: RunContext, on: PreparedCluster, cells: Sequence[CellRun], judge: Judge) -> None:
    """Run the path, unless other cells of the cluster have, and report for each cell what `judge` makes of it.

    What the catalogue predicted is taken into account. Raises Cancelled.
    """
    observed = _observed(run, on, cells[0])
    for it in cells:
        if isinstance(observed, Finding):
            it.report([observed])
        else:
            found = findings_of("judged", partial(_judged, run, on, observed, it.cell, judge))
            it.report(found, {f"path-{part}": seconds for part, seconds in observed.seconds.items()})


def job_namespaces(cell: Cell) -> Sequence[str]:
    """Those of the applications beside the moves too: they belong to one run, whichever of its cells was asked for."""
    return (cell.scenario.namespace, *NAMESPACES)


def images(cell: Cell) -> Sequence[str]:
    """The cell's, and that of the applications beside the moves."""
    return (*cell.scenario.images, samples.chart_values().spark.image)


def _judged(run: RunContext, on: PreparedCluster, observed: ObservedPath, cell: Cell, judge: Judge) -> list[Finding]:
    found = judged(run, on, cell, list(judge(observed, cell)))
    return [*by_values(run, on, observed), *found] if any(it.verdict is Verdict.FAILED for it in found) else found


def by_values(run: RunContext, on: PreparedCluster, observed: ObservedPath) -> list[Finding]:
    """The errors of moves that did not get to their ends, and of which the user's values may be the reason."""
    found = []
    for it in observed.moves:
        said = it.helm_error or it.rollout_error
        if said and not it.outside:
            told = run.blamed(failed("move-completed", said), on.releases[it.move.target])
            found += [told] if told.verdict is Verdict.ERROR else []
    return found


def _observed(run: RunContext, on: PreparedCluster, first: CellRun) -> ObservedPath | Finding:
    """What was seen along the path, or why nothing was."""
    try:
        return on.once.get(PathRun, lambda: _path_run(run, on, first).run())
    except Cancelled:
        raise
    except Exception as error:
        return finding_of("path", error)


def _path_run(run: RunContext, on: PreparedCluster, first: CellRun) -> PathRun:
    cluster, path, programs = on.cluster, on.path, run.programs(on.cluster.environment)
    spark_images = samples.chart_values().spark.images

    def anew(installed: InstalledRelease) -> ReinstallSeen | Unseen:
        return reinstall(
            cluster,
            installed,
            programs=programs,
            namespace=CHECK_NAMESPACE,  # Where no sample was created before.
            folder=run.resources.scratch(f"{cluster.name}/reinstall"),
            images=spark_images,
        )

    def out(here: InstalledRelease, wanted: Wanted) -> WayOutSeen | Unseen:
        rendering = samples.RenderedFor(
            namespace=CHECK_NAMESPACE,
            helm=programs.helm,
            folder=run.resources.scratch(f"{cluster.name}/way-out"),
            spark_images=spark_images,
            service_account=here.account,
            restricted=cluster.environment.restricted,
        )
        return way_out.take(cluster, here, wanted, programs, rendering)

    longer = lease_times.longer(merge(*run.values))
    applications = Workload(
        WorkloadContext(
            cluster=cluster,
            releases=tuple(on.releases[name].release for name in (path.releases[0], *(it.target for it in path.moves))),
            moves=len(path.moves),
            crds=crds_left(path),
            watched=on.applications,
            helm=programs.helm,
            folder=run.resources.scratch(f"{cluster.name}/applications"),
            spark_images=spark_images,
            service_account=on.installed.account,
            deadline=Deadline(seconds=_PATH_SECONDS + longer * len(path.moves)),
            longer=longer,
            user_apps=run.given.apps if USERS in on.applications else (),
        )
    )
    return PathRun(
        cluster=cluster,
        path=path,
        releases=on.releases,
        installed=on.installed,
        programs=programs,
        applications=applications,
        prober=Prober(cluster, CHECK_NAMESPACE),
        values=run.values,
        seed=first.seed,
        reinstall=anew,
        way_out=out,
        provider=on.provider,
        parting=PartingLogs(cluster, run.resources.scratch(f"{cluster.name}/{PARTING}")),
        say=run.say,
    )
