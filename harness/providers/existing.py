# SPDX-License-Identifier: Apache-2.0
"""A cluster that is there already, and somebody else's: a run is a guest in it.

To create one is to connect to it, and to delete it is to remove what the run has made in it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from harness.errors import ApiError, ClusterError
from harness.kube.api import listed
from harness.kube.cluster import Cluster
from harness.late import client
from harness.process import Completed
from harness.providers import guest
from harness.providers.base import ClusterSpec, Guest, ProviderTools


class Existing:
    """The cluster of a context of a user's kubeconfig."""

    name: ClassVar[str] = "existing"
    guest: ClassVar[bool] = True
    cluster_label: ClassVar[str] = ""
    context_prefix: ClassVar[str] = ""
    helper_repository: ClassVar[str] = ""
    hosts_folder: ClassVar[str] = ""

    def __init__(self, tools: ProviderTools) -> None:
        self._tools = tools

    def create(self, spec: ClusterSpec) -> Cluster:
        """Connect. Raises ClusterError when the API server does not answer."""
        host = self._host()
        began = time.monotonic()
        cluster = Cluster(name=spec.name, environment=spec.environment, kubeconfig=host.kubeconfig, nodes=())
        try:
            with cluster.api_client() as api:
                nodes = tuple(str(it["metadata"]["name"]) for it in listed(client.CoreV1Api(api).list_node))
        except ApiError as away:
            raise ClusterError(
                f"the cluster of context {host.context} does not answer: {away.brief}",
                f"kubectl --context {host.context} version",
            ) from away
        return Cluster(
            name=spec.name,
            environment=spec.environment,
            kubeconfig=host.kubeconfig,
            nodes=nodes,
            seconds={"connect": round(time.monotonic() - began, 2)},
            marks=guest.marks(host.installation, host.run_id),
        )

    def delete(self, cluster_name: str) -> None:
        """Remove what the run has made, and verify that it is gone. Raises ClusterError that says what is left."""
        host = self._host()
        cluster = Cluster(name=cluster_name, environment=host.environment, kubeconfig=host.kubeconfig, nodes=())
        try:
            with cluster.api_client() as api:
                left = guest.remove(api, guest.find(api, host.installation, host.run_id), uninstall=host.uninstall)
        except ApiError as away:
            raise ClusterError(
                f"what the run has made in the cluster of context {host.context} could not be removed: {away.message}",
                host.clean,
            ) from away
        if left:
            raise ClusterError(
                f"of the run there is left in the cluster of context {host.context}: {'; '.join(left)}", host.clean
            )

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        """Nobody lets a guest into the nodes. Raises ClusterError."""
        raise ClusterError(f"the node {node} is not the run's, and cannot be entered", "")

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        """Write why there are none."""
        (folder / "none.txt").write_text("The cluster is a user's, whose nodes a run does not enter.\n")

    def shell_hint(self, cluster: Cluster) -> str:
        """The command that looks at the nodes, which cannot be entered."""
        return f"kubectl --context {self._host().context} get nodes"

    def _host(self) -> Guest:
        if self._tools.guest is None:
            raise ClusterError("no existing cluster was named", "give --context")
        return self._tools.guest
