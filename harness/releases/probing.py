# SPDX-License-Identifier: Apache-2.0
"""Has the kubelet probe pods again that have just started, instead of after a whole period.

A first readiness probe that comes before the pod listens is repeated after `periodSeconds`, 10 s by default, which the
operator's chart keeps: of two installs, one is ready 10 s later than the other for no reason of its own. The kubelet
also probes a pod that is not ready whenever the pod's object changes (`UpdatePodStatus` in
pkg/kubelet/prober/prober_manager.go, the same from Kubernetes 1.21 to 1.37), so an annotation is changed until it is.
Whether a pod is ready remains what the kubelet finds.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from harness.errors import ApiError
from harness.kube import reading
from harness.kube.api import listed, raw
from harness.kube.cluster import Cluster
from harness.kube.models import Pod
from harness.late import client

ANNOTATION = "spark-operator-harness/looked-at"
"""On a pod: how often the kubelet was asked to probe it again."""

_SECONDS = 0.5
_LIMIT = 20
"""A pod that was probed so often is not merely late: its own period will do."""


@contextmanager
def hastened(cluster: Cluster, namespace: str, selector: str) -> Iterator[None]:
    """Within the block, the pods of `selector` that run and are not ready are probed every half second, 20 times each.

    An API server that does not answer ends it, and raises nothing: whoever waits for the pods will see that.
    """
    ended = threading.Event()
    beside = threading.Thread(
        target=_hasten, args=(cluster, namespace, selector, ended), name=f"probing-{namespace}", daemon=True
    )
    beside.start()
    try:
        yield
    finally:
        ended.set()
        beside.join()


def _hasten(cluster: Cluster, namespace: str, selector: str, ended: threading.Event) -> None:
    asked: Counter[str] = Counter()
    try:
        with cluster.api_client() as api:
            core = client.CoreV1Api(api)
            while not ended.wait(_SECONDS):
                pods = map(reading.pod, listed(core.list_namespaced_pod, namespace, label_selector=selector))
                for pod in (it for it in pods if _is_late(it) and asked[it.uid] < _LIMIT):
                    asked[pod.uid] += 1
                    change = {"metadata": {"annotations": {ANNOTATION: str(asked[pod.uid])}}}
                    raw(core.patch_namespaced_pod, pod.name, namespace, change)
    except ApiError:
        return


def _is_late(pod: Pod) -> bool:
    """Whether all its containers run, and the pod is not ready."""
    containers = [it for it in pod.containers if not it.init]
    return not pod.leaving and not pod.ready and bool(containers) and all(it.state == "running" for it in containers)
