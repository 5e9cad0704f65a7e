# SPDX-License-Identifier: Apache-2.0
"""How much longer than with the chart's own times nobody leads after a change of controllers, by a user's values.

The controller that goes does not give its lease back: the next one waits until that is over. It counts the duration
from when it first sees the last renewal, and sees one look later that it is over. From look to look it takes 1.0 to 2.2
retry periods (client-go, tools/leaderelection, JitterFactor).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.kube.models import Deployment
from harness.releases.value_kinds import seconds
from harness.releases.values import at

_ABOVE = "controller.leaderElection"
_LEASE, _RETRY = 15.0, 2.0
"""The chart's own, and those of the releases before 2.4.0, whose charts set none (controller-runtime, pkg/manager)."""
_LOOKS = 2 * 2.2
_BOTH_LOOKS = 10.0
"""With the chart's own period of retries, and some room."""


def longer(values: Mapping[str, Any]) -> float:
    """Seconds by which it takes longer; 0 for a shorter lease, and where the values switch the election off."""
    if at(values, f"{_ABOVE}.enable") is False:
        return 0.0
    lease = seconds(at(values, f"{_ABOVE}.leaseDuration"))
    return max(0.0, (lease or _LEASE) - _LEASE) + _later(at(values, f"{_ABOVE}.retryPeriod"))


def two_looks(deployments: Iterable[Deployment]) -> float:
    """Seconds that two looks of a candidate take at most, by the arguments of the operator's Deployments."""
    return _BOTH_LOOKS + max((_later(it.flag("leader-election-retry-period")) for it in deployments), default=0.0)


def _later(retry: object) -> float:
    """Seconds by which two looks take longer with this period of retries, as Go writes durations; 0 for none."""
    return _LOOKS * max(0.0, (seconds(retry) or _RETRY) - _RETRY)
