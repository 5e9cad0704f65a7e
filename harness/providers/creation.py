# SPDX-License-Identifier: Apache-2.0
"""Creates clusters of containers: creation, waiting, and a full report on failure."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import waiting
from harness.errors import ApiError, ClusterError, CommandError, WaitTimeout
from harness.kube.cluster import Cluster
from harness.providers.base import ClusterSpec
from harness.providers.containers import last_words, limit, without_colours
from harness.providers.early import Early
from harness.providers.preload import Preload
from harness.providers.ready import wait_names, wait_services

_PROBE_SECONDS = 10.0
"""Between two readiness probes of a container, unless its pod says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What differs between providers of containers.

    `make` creates the cluster and writes `<folder>/kubeconfig`; `first` modifies it as soon as its API server answers,
    and may never be called; `adjust` modifies it once it is made, before the wait; `nodes` names its containers;
    `first_node` is the name of its control plane; `admin` is the kubeconfig in it that its own programs act with as an
    administrator, and `kubectl` the command line by which its kubectl does; `save_logs` writes the logs of the nodes'
    containers into a folder. `early_names` has the cluster's DNS started on a node that is cordoned; `kubelet_age` is
    for how many seconds the kubelet of the first node has been running.
    """

    provider: str
    first_node: str
    admin: str
    kubectl: Sequence[str]
    make: Callable[[], None]
    nodes: Callable[[], tuple[str, ...]]
    save_logs: Callable[[Path], None]
    first: Callable[[Cluster], None] = lambda cluster: None
    adjust: Callable[[Cluster], None] = lambda cluster: None
    early_names: Callable[[Cluster], None] = lambda cluster: None
    kubelet_age: Callable[[], float] = lambda: _PROBE_SECONDS


def create(spec: ClusterSpec, ways: Ways) -> Cluster:
    """Create a cluster and wait until it can be used. Raises ClusterError with the end of the nodes' logs."""
    deadline = waiting.Deadline(seconds=spec.timeout)
    preload = Preload(ways.first_node, spec.preload, deadline, spec.folder / "preload.log", spec.await_image)
    early = Early(
        spec.name,
        spec.environment,
        node=ways.first_node,
        admin=ways.admin,
        act=spec.early,
        folder=spec.folder,
        seconds=spec.timeout,
        first=ways.first,
    )
    try:
        preload.start()
        early.start()
        return _create(spec, ways, deadline, preload, early)
    except BaseException as error:
        early.cancel()
        preload.cancel()
        if not isinstance(error, CommandError | WaitTimeout | ApiError):
            raise
        words = last_words(ways.nodes, lambda: ways.save_logs(spec.folder / "nodes"))
        raise ClusterError(
            f"creating {spec.environment.name} as {ways.provider} cluster {spec.name} failed: "
            f"{without_colours(error.message)}\n{words}",
            f"see {spec.folder / 'create.log'} and {spec.folder / 'nodes'}",
        ) from error


def _create(spec: ClusterSpec, ways: Ways, deadline: waiting.Deadline, preload: Preload, early: Early) -> Cluster:
    seconds: dict[str, float] = {}
    with _timed(seconds, "create"):
        ways.make()
    cluster = Cluster(
        name=spec.name,
        environment=spec.environment,
        kubeconfig=spec.folder / "kubeconfig",
        nodes=ways.nodes(),
        seconds=seconds,
    )
    limit(cluster.nodes, cpus=spec.environment.cpus, memory_mib=spec.environment.memory_mib)
    ways.adjust(cluster)
    seconds |= wait_services(cluster, deadline, ways.kubectl, nodes=spec.nodes)
    if early.cordoned:
        ways.early_names(cluster)
    left = deadline.left
    with _timed(seconds, "preload"):
        # Pods that start now find their images, and nothing is pulled twice.
        preload.join()
    # For how long images are on their way to this machine is a matter of its network, and none of the cluster.
    deadline = waiting.Deadline(seconds=left)
    if early.cordoned:
        with _timed(seconds, "probes-ready"):
            _wait_probes(ways)
    early.uncordon(cluster)
    with _timed(seconds, "names-ready"):
        wait_names(cluster, deadline)
    with _timed(seconds, "early"):
        early.join()
    return cluster


def _wait_probes(ways: Ways) -> None:
    """Wait until the kubelet probes a new pod at once. Raises Cancelled, HarnessError.

    In the first seconds of its life, it lets the probes of a pod begin at a random moment within their period
    (pkg/kubelet/prober/worker.go): pods that start now would be ready later than those that start after this wait.
    """
    left = _PROBE_SECONDS - ways.kubelet_age()
    if left > 0:
        waiting.pause(left, what="waiting for the kubelet to probe pods at once")


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = time.monotonic() - started
