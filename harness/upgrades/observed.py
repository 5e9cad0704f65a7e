# SPDX-License-Identifier: Apache-2.0
"""What was seen of a path with upgrades and rollbacks: one record, which all its scenarios judge.

All times are UTC by the clock of the host, which its node containers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from harness.matrix.model import Move, Path, Release
from harness.releases.observe import ObservedOperator, Unseen
from harness.upgrades.operator_watch import OperatorWatch
from harness.upgrades.permissions import PermissionChange
from harness.upgrades.prober import Probe
from harness.upgrades.workload_seen import WorkloadSeen


@dataclass(frozen=True, kw_only=True)
class Step:
    """One command of a move, as a user types it. `error` is what it said when it failed."""

    what: str
    command: str
    started: datetime
    ended: datetime
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class MoveTimes:
    """When a move began, when its Helm was done, when all Deployments had rolled out, when the soak was over.

    The leadership gap is apart, in `OperatorWatch`. `settled` is null when the rollout did not get to its end.
    """

    began: datetime
    helm_done: datetime
    settled: datetime | None
    ended: datetime


@dataclass(frozen=True, kw_only=True)
class ObservedMove:
    """One upgrade or rollback. `helm_error` and `rollout_error` are why it did not get to its end."""

    move: Move
    origin: Release
    target: Release
    steps: tuple[Step, ...]
    times: MoveTimes
    helm_error: str
    rollout_error: str
    watch: OperatorWatch
    operator: ObservedOperator | Unseen
    permissions: PermissionChange | Unseen
    orphans: tuple[str, ...] | Unseen
    """Objects that the old release owned, and that neither the new one owns nor Helm removed: `Kind/namespace/name`."""
    unfit: Mapping[str, str] | Unseen
    """Stored objects that the schema now in the cluster refuses: `Kind/namespace/name` → the API server's words."""
    probes: tuple[Probe, ...]


@dataclass(frozen=True, kw_only=True)
class ObservedPath:
    """Everything. `workload` covers the whole path, from before its first move to after its last."""

    path: Path
    moves: tuple[ObservedMove, ...]
    workload: WorkloadSeen | Unseen
