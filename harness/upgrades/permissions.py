# SPDX-License-Identifier: Apache-2.0
"""What the operator's service accounts may do, before and after."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class PermissionChange:
    """Rights by their subject, one line each (`controller: create pods in job namespaces`), that came and that went."""

    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
