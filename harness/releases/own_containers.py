# SPDX-License-Identifier: Apache-2.0
"""Which containers of the operator's pods are its own, which somebody put beside them, and what slows its own down."""

from __future__ import annotations

from harness.kube.amounts import amount
from harness.kube.models import Pod

_NAMES = "spark-operator-"

_LITTLE_CPU = 0.5
"""Of a processor. Each submission starts a JVM in the controller, which works for some seconds of a whole one."""


def is_own_container(name: str) -> bool:
    """Whether a container is the operator's own, by the names that the chart gives them, and no sidecar."""
    return name.startswith(_NAMES)


def own_restarts(pod: Pod) -> int:
    """How often the operator's own containers of a pod ran again; all of them, where it has none by such a name."""
    own = [it.restarts for it in pod.containers if is_own_container(it.name)]
    return sum(own) if own else pod.restarts


def is_little_cpu(limit: object) -> bool:
    """Whether a limit of processors is so low that an operator may be late for nothing else; none is no limit."""
    share = amount(limit)
    return share is not None and share < _LITTLE_CPU
