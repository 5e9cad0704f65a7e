# SPDX-License-Identifier: Apache-2.0
"""Which containers of the operator's pods are its own, and which somebody put beside them."""

from __future__ import annotations

from harness.kube.models import Pod

_NAMES = "spark-operator-"


def is_own_container(name: str) -> bool:
    """Whether a container is the operator's own, by the names that the chart gives them, and no sidecar."""
    return name.startswith(_NAMES)


def own_restarts(pod: Pod) -> int:
    """How often the operator's own containers of a pod ran again; all of them, where it has none by such a name."""
    own = [it.restarts for it in pod.containers if is_own_container(it.name)]
    return sum(own) if own else pod.restarts
