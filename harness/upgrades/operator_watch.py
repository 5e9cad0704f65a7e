# SPDX-License-Identifier: Apache-2.0
"""Watches the operator while it is replaced: its pods, its leases, its CRDs and its webhook configurations."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """One thing that was seen to change. `kind` is a Kubernetes kind; `what` is said in words."""

    at: datetime
    kind: str
    name: str
    what: str


@dataclass(frozen=True, kw_only=True)
class LeaseHeld:
    """A lease and who held it from then on: the pod, and that pod's operator image."""

    at: datetime
    lease: str
    pod: str
    image: str


@dataclass(frozen=True, kw_only=True)
class OperatorWatch:
    """What was seen, oldest first. `trouble` is why something could not be watched; empty when all of it was.

    `gap` is how many seconds no controller led: from the end of the pod that held the lease, or from its last renewal,
    until the target's pod held it. None when the target never held it while it was watched.
    """

    sightings: tuple[Sighting, ...] = ()
    leases: tuple[LeaseHeld, ...] = ()
    gap: float | None = None
    gap_began: datetime | None = None
    gap_ended: datetime | None = None
    trouble: str = ""
