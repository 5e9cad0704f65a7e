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
from harness.providers.containers import last_words, without_colours
from harness.providers.early import Early
from harness.providers.preload import Preload
from harness.providers.ready import wait_names, wait_services


@dataclass(frozen=True, kw_only=True)
class Ways:
    """What differs between providers of containers.

    `make` creates the cluster and writes `<folder>/kubeconfig`; `adjust` modifies it before the wait;
    `nodes` names its containers; `first_node` is the name of its control plane; `admin` is the kubeconfig in it that
    its own programs act with as an administrator, and `kubectl` the command line by which its kubectl does;
    `save_logs` writes the logs of the nodes' containers into a folder.
    """

    provider: str
    first_node: str
    admin: str
    kubectl: Sequence[str]
    make: Callable[[], None]
    nodes: Callable[[], tuple[str, ...]]
    save_logs: Callable[[Path], None]
    adjust: Callable[[Cluster], None] = lambda cluster: None


def create(spec: ClusterSpec, ways: Ways) -> Cluster:
    """Create a cluster and wait until it can be used. Raises ClusterError with the end of the nodes' logs."""
    deadline = waiting.Deadline(seconds=spec.timeout)
    preload = Preload(ways.first_node, spec.preload, deadline, spec.folder / "preload.log")
    early = Early(
        spec.name,
        spec.environment,
        node=ways.first_node,
        admin=ways.admin,
        act=spec.early,
        folder=spec.folder,
        seconds=spec.timeout,
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
    ways.adjust(cluster)
    seconds |= wait_services(cluster, deadline, ways.kubectl, nodes=spec.nodes)
    with _timed(seconds, "preload"):
        # Pods that start now find their images, and nothing is pulled twice.
        preload.join()
    early.uncordon(cluster)
    with _timed(seconds, "names-ready"):
        wait_names(cluster, deadline)
    with _timed(seconds, "early"):
        early.join()
    return cluster


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    seconds[phase] = time.monotonic() - started
