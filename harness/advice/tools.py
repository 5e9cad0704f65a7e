# SPDX-License-Identifier: Apache-2.0
"""The tools that operators are deployed with."""

from __future__ import annotations

from typing import Literal, get_args

Tool = Literal["helm", "argocd", "flux", "terraform", "helmfile", "kubectl"]

TOOLS: tuple[Tool, ...] = get_args(Tool)
