# SPDX-License-Identifier: Apache-2.0
"""A path of one upgrade as it would be observed, for tests to spoil."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from operator_samples import RELEASE
from pod_samples import ended_pod

from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.matrix import catalogue
from harness.matrix.model import Move, Path
from harness.releases.operator_seen import Unseen
from harness.upgrades.observed import MoveTimes, ObservedMove, ObservedPath
from harness.upgrades.operator_watch import OperatorWatch
from harness.upgrades.prober import Probe
from harness.upgrades.workload_seen import ApplicationSeen, Look, Part, When, WorkloadSeen

CATALOGUE = catalogue.load()
BEGAN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
S = State


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def look(seconds: float, state: State, **more: Any) -> Look:
    return Look(at=at(seconds), state=state, **more)


def driver(uid: str = "1", *, created: float = -50, exit_status: int | None = 0, **more: Any) -> SparkPod:
    return ended_pod(exit_status, name=f"driver-{uid}", uid=uid, application="it", created=at(created), **more)


def application(part: Part, *looks: Look, created: float = -60, **more: Any) -> ApplicationSeen:
    given = {"when": When.BEFORE, "pods": (driver(),), "name": str(part), "uid": f"{part}-{created}", **more}
    return ApplicationSeen(namespace="it", part=part, created=at(created), looks=looks, **given)


def path(
    *applications: ApplicationSeen, probes: tuple[Probe, ...] = (), limits: float = 0.0, **seen: Any
) -> ObservedPath:
    """An upgrade from 0 to 100 s: Helm done at 2, rolled out at 10, nobody led from 5 to 30."""
    unseen = Unseen(reason="not looked at here")
    move = ObservedMove(
        move=Move(kind="upgrade", origin="2.4.0", target="2.5.2"),
        origin=CATALOGUE.release("2.4.0"),
        target=RELEASE,
        steps=(),
        times=MoveTimes(began=BEGAN, helm_done=at(2), settled=at(10), ended=at(100)),
        helm_error="",
        rollout_error="",
        watch=OperatorWatch(gap_began=at(5), gap_ended=at(30)),
        operator=unseen,
        old_pods=unseen,
        permissions=unseen,
        orphans=unseen,
        unfit=unseen,
        probes=probes,
    )
    return ObservedPath(
        path=Path(
            name="upgrade-2.4.0-2.5.2+crds=apply",
            kind="upgrade",
            releases=("2.4.0", "2.5.2"),
            crds="apply",
            outage_limit=limits,
            delay_limit=limits,
        ),
        moves=(move,),
        workload=WorkloadSeen(watched_from=at(-90), watched_until=at(140), applications=applications, **seen),
    )
