# SPDX-License-Identifier: Apache-2.0
"""What was seen of a path with upgrades and rollbacks: one record, which all its scenarios judge.

All times are UTC by the clock of the host, which its node containers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from harness.matrix.model import Move, Path
from harness.matrix.release import Release
from harness.releases.change import Step
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.upgrades.gitops import GitOpsSeen
from harness.upgrades.operator_watch import OperatorWatch
from harness.upgrades.permissions import PermissionChange
from harness.upgrades.prober import Probe
from harness.upgrades.reinstall import ReinstallSeen
from harness.upgrades.way_out import WayOutSeen
from harness.upgrades.workload_seen import WorkloadSeen


@dataclass(frozen=True, kw_only=True)
class MoveTimes:
    """When a move began, when its Helm was done, when all Deployments had rolled out, when it was over.

    The last one is over when what comes after the moves is submitted, within its soak; any other with its soak.

    The leadership gap is apart, in `OperatorWatch`. `settled` is None when the rollout did not get to its end.
    """

    began: datetime
    helm_done: datetime
    settled: datetime | None
    ended: datetime


@dataclass(frozen=True, kw_only=True)
class ObservedMove:
    """One upgrade or rollback. `helm_error` and `rollout_error` are why it did not get to its end, else empty;
    `outside` tells that this was nothing that the release did, and `trouble` why its way did not get to its end
    although it has brought the new Deployments, as in `Change`.

    `old_pods` are pods of the operator that were there before and still are. `orphans` are objects that the old release
    owned, and that neither the new one owns nor Helm removed: `Kind/namespace/name`. `unfit` are stored objects that
    the schema now in the cluster refuses, with the API server's words. `probes` are those from the beginning of the
    move until its end. `gitops` is what Argo CD made of a move of its own; None of others. `values` are those of the
    release that there is after it.
    """

    move: Move
    origin: Release
    target: Release
    steps: tuple[Step, ...]
    times: MoveTimes
    helm_error: str
    rollout_error: str
    watch: OperatorWatch
    operator: ObservedOperator | Unseen
    old_pods: tuple[str, ...] | Unseen
    permissions: PermissionChange | Unseen
    orphans: tuple[str, ...] | Unseen
    unfit: Mapping[str, str] | Unseen
    probes: tuple[Probe, ...]
    outside: bool = False
    trouble: str = ""
    gitops: GitOpsSeen | Unseen | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ObservedPath:
    """Everything. `workload` covers the whole path, from before its first move to after its last.

    `seconds` says how long its parts took. `reinstalled` is what came of uninstalling and installing anew at the end,
    which only a path with a rollback tries, and `way_out` of what the catalogue has as the way out of a known break.
    """

    path: Path
    moves: tuple[ObservedMove, ...]
    workload: WorkloadSeen | Unseen
    seconds: Mapping[str, float] = field(default_factory=dict)
    reinstalled: ReinstallSeen | Unseen | None = None
    way_out: WayOutSeen | Unseen | None = None
