# SPDX-License-Identifier: Apache-2.0
"""Proves in the nodes that nothing is pulled from outside the mirror map.

Of a hosts.toml that it cannot use containerd tells in its own log alone (containerd 2.2.9,
core/remotes/docker/config/hosts.go), and then asks the public registry, as if there were none.
"""

from __future__ import annotations

from harness.errors import HarnessError, WaitTimeout
from harness.images.mirrors import BLOCKED
from harness.kube.cluster import Cluster
from harness.matrix.versions import numbers
from harness.providers.base import Provider
from harness.waiting import Cancelled, until

NOBODYS = "no-host-of-the-mirror-map.invalid/nothing:none"
"""An image of a host that no map names and no name server knows (RFC 6761)."""

_SECONDS = 30.0
_K3S_CAN_BE_KEPT = (1, 26, 0)


def way_out(provider: Provider, cluster: Cluster, *, timeout: float = _SECONDS) -> str:
    """Why a node may pull from outside of the mirror map, empty where all refuse. To be asked where a map is in force.

    k3s before 1.26 is not asked: no option keeps it from the public registries (docs.k3s.io, private registry
    configuration). `timeout` is in seconds for each node, which may be busy. Raises Cancelled.
    """
    environment = cluster.environment
    if environment.distribution == "k3s" and numbers(environment.minor) < _K3S_CAN_BE_KEPT:
        return ""
    for node in cluster.nodes:

        def pulled(node: str = node) -> str:
            done = provider.node_exec(cluster, node, ["crictl", "pull", NOBODYS], timeout=timeout)
            return f"{done.stdout}\n{done.stderr}".strip()

        try:
            until(pulled, lambda said: BLOCKED in said, what=f"{node} to refuse {NOBODYS}", timeout=timeout)
        except Cancelled:
            raise
        except WaitTimeout as late:
            return f"the node {node} does not lead hosts without a mirror to {BLOCKED}; it says: {late.last_seen}"
        except HarnessError as mute:
            return f"the node {node} could not be asked whether it refuses hosts without a mirror: {mute.message}"
    return ""
