# SPDX-License-Identifier: Apache-2.0
"""Which containers of the operator's pods are its own, and which somebody put beside them."""

from __future__ import annotations

_NAMES = "spark-operator-"


def is_own_container(name: str) -> bool:
    """Whether a container is the operator's own, by the names that the chart gives them, and no sidecar."""
    return name.startswith(_NAMES)
