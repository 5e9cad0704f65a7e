# SPDX-License-Identifier: Apache-2.0
"""What was seen of the applications that run while an operator is upgraded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WorkloadSeen:
    """All applications of a path, from before its first move to after its last."""
