# SPDX-License-Identifier: Apache-2.0
"""Creates clusters of containers: creation, waiting, and a full report on failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import waiting
from harness.errors import ApiError, ClusterError, CommandError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.providers.base import ClusterSpec
from harness.providers.containers import last_words, without_colours
from harness.providers.preload import Preload
from harness.providers.ready import wait_ready


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What differs between providers of containers.

    `make` creates the cluster and writes `<folder>/kubeconfig`; `adjust` modifies it before the wait;
    `nodes` names its containers; `first_node` is the name of its control plane; `kubectl` is the command line by
    which that node's kubectl acts as an administrator; `save_logs` writes the logs of the nodes' containers into
    a folder.
    """

    provider: str
    first_node: str
    kubectl: Sequence[str]
    make: Callable[[], None]
    nodes: Callable[[], tuple[str, ...]]
    save_logs: Callable[[Path], None]
    adjust: Callable[[Cluster], None] = lambda cluster: None


def create(spec: ClusterSpec, ways: Ways) -> Cluster:
    """Create a cluster and wait until it can be used. Raises ClusterError with the end of the nodes' logs."""
    kubeconfig = spec.folder / "kubeconfig"
    deadline = waiting.Deadline(seconds=spec.timeout)
    started = time.monotonic()
    preload = Preload(ways.first_node, spec.preload, deadline, spec.folder / "preload.log")
    preload.start()
    try:
        ways.make()
        created = time.monotonic() - started
        nodes = ways.nodes()
        cluster = Cluster(name=spec.name, environment=spec.environment, kubeconfig=kubeconfig, nodes=nodes)
        ways.adjust(cluster)
        waits = wait_ready(cluster, deadline, ways.kubectl, nodes=spec.nodes)
    except (CommandError, WaitTimeout, ApiError) as error:
        preload.cancel()
        words = last_words(ways.nodes, lambda: ways.save_logs(spec.folder / "nodes"))
        raise ClusterError(
            f"creating {spec.environment.name} as {ways.provider} cluster {spec.name} failed: "
            f"{without_colours(error.message)}\n{words}",
            f"see {spec.folder / 'create.log'} and {spec.folder / 'nodes'}",
        ) from error
    except BaseException:
        preload.cancel()
        raise
    waited = time.monotonic()
    preload.join()
    return Cluster(
        name=spec.name,
        environment=spec.environment,
        kubeconfig=kubeconfig,
        nodes=nodes,
        seconds={"create": created, **waits, "preload": time.monotonic() - waited},
    )
