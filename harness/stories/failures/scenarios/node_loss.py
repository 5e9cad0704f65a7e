# SPDX-License-Identifier: Apache-2.0
"""fault-node-loss: the node that the operator's controller is on stops at once, as when its power fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import late
from harness.kube.api import read
from harness.late import client
from harness.providers import containers
from harness.stories.failures.described import node_scenario

if TYPE_CHECKING:
    from harness.stories.failures import nodes
    from harness.stories.path_context import PathContext
    from harness.verdicts import Finding
else:
    nodes = late.module("harness.stories.failures.nodes")

SCENARIO = node_scenario(
    "fault-node-loss", "a worker stops: what was on it is replaced once it is said to be out of service"
)

_OUT = "node.kubernetes.io/out-of-service"


def run(ctx: PathContext) -> list[Finding]:
    """Stop its container, say that it is out of service, see what goes elsewhere, and start it again."""
    return nodes.tell(ctx, _stop, _start)


def _stop(ctx: PathContext, node: str) -> str:
    """Kubernetes itself waits for five minutes before it gives pods up (the admission plugin DefaultTolerationSeconds),
    and then for the node to say that they have ended; the taint is what its documentation has for that.
    """
    containers.kill(node)
    seconds = nodes.await_ready(ctx, node, ready=False)
    taint = {"key": _OUT, "value": "nodeshutdown", "effect": "NoExecute"}
    _taint(ctx, node, [taint])
    said = f"`kubectl taint nodes {node} {_OUT}=nodeshutdown:NoExecute`"
    return f"{node} was stopped, and NotReady after {seconds:.0f} s; {said} told its pods to go"


def _start(ctx: PathContext, node: str) -> None:
    containers.start(node)
    nodes.await_ready(ctx, node, ready=True)
    _taint(ctx, node, [])


def _taint(ctx: PathContext, node: str, taints: list[dict[str, str]]) -> None:
    """Give a node this taint of ours, or take it away; those that Kubernetes gives it stay. Raises ApiError."""
    with ctx.cluster.api_client() as api:
        core = client.CoreV1Api(api)
        there = read(core.read_node, node)["spec"].get("taints") or []
        others = [it for it in there if it["key"] != _OUT]
        core.patch_node(node, {"spec": {"taints": [*others, *taints]}})
