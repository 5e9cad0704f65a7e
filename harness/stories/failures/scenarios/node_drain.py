# SPDX-License-Identifier: Apache-2.0
"""fault-node-drain: an administrator drains the node that the operator's controller is on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from harness import late, process
from harness.stories.failures.described import node_scenario

if TYPE_CHECKING:
    from harness.stories.failures import nodes
    from harness.stories.path_context import PathContext
    from harness.verdicts import Finding
else:
    nodes = late.module("harness.stories.failures.nodes")

SCENARIO = node_scenario(
    "fault-node-drain", "a worker is drained: executors, a driver and the operator on it are replaced"
)

_DRAIN_SECONDS = 150


def run(ctx: PathContext) -> list[Finding]:
    """Drain it, see what goes elsewhere, and let it take pods again."""
    return nodes.tell(ctx, _drain, _uncordon)


def _drain(ctx: PathContext, node: str) -> str:
    words = ["drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", f"--timeout={_DRAIN_SECONDS}s"]
    began = time.monotonic()
    _kubectl(ctx, *words)
    return f"`kubectl {' '.join(words)}` was through after {time.monotonic() - began:.0f} s"


def _uncordon(ctx: PathContext, node: str) -> None:
    _kubectl(ctx, "uncordon", node)


def _kubectl(ctx: PathContext, *words: str) -> None:
    config = ("--kubeconfig", str(ctx.cluster.kubeconfig))
    process.call([ctx.programs.kubectl, *config, *words], timeout=_DRAIN_SECONDS + 30.0)
