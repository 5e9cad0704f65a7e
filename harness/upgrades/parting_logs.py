# SPDX-License-Identifier: Apache-2.0
"""Keeps what pods write until they are gone, whose logs nobody can ask for afterwards: the replaced operator's."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from harness.errors import ApiError
from harness.kube.api import api_errors
from harness.kube.cluster import Cluster
from harness.kube.models import Pod
from harness.late import client
from harness.waiting import Deadline

PARTING = "parting-logs"
"""The folder of a cluster's scratch that they are in."""

_MOST_BYTES = 4 * 2**20
_LAST_LINES = 20_000
_CHUNK_BYTES = 2**16
_SILENT_SECONDS = 90.0
"""For how long a container that is told to end may write nothing: longer than a grace period is as a rule."""

_CLOSE_SECONDS = 5.0


class PartingLogs:
    """Follows the logs of pods that have been told to end, each in a thread of its own, into `folder`.

    A file is NAMESPACE/POD_CONTAINER.log, as the container wrote it, secrets included, with the time before each line;
    of more than 20,000 lines or 4 MiB the rest is left out. A log that cannot be had has a file that says why.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._lock = threading.Lock()
        self._following: dict[tuple[str, str, str], threading.Thread] = {}

    def follow(self, pod: Pod) -> None:
        """Begin to follow a pod's containers. To call it again for the same pod does nothing."""
        for container in pod.containers:
            key = pod.namespace, pod.uid, container.name
            with self._lock:
                if container.init or container.state not in ("running", "terminated") or key in self._following:
                    continue
                file = self._folder / pod.namespace / f"{pod.name}_{container.name}.log"
                thread = threading.Thread(
                    target=self._keep, args=(pod, container.name, file), name="parting-log", daemon=True
                )
                self._following[key] = thread
            thread.start()

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Wait for the logs that are about to end, so many seconds at most; the others end with their containers."""
        deadline = Deadline(seconds=seconds)
        with self._lock:
            threads = list(self._following.values())
        for thread in threads:
            thread.join(deadline.left)

    def _keep(self, pod: Pod, container: str, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with file.open("wb") as kept:
            try:
                with self._cluster.api_client() as api, api_errors(f"the log of {pod.name}"):
                    answer: Any = client.CoreV1Api(api).read_namespaced_pod_log(
                        pod.name,
                        pod.namespace,
                        container=container,
                        follow=True,
                        timestamps=True,
                        tail_lines=_LAST_LINES,
                        _preload_content=False,
                        _request_timeout=_SILENT_SECONDS,
                    )
                    left = _MOST_BYTES
                    while chunk := answer.read1(_CHUNK_BYTES):
                        kept.write(chunk[:left])
                        kept.flush()
                        left -= len(chunk)
                        if left <= 0:
                            kept.write(b"\n(the rest is left out)\n")
                            break
                    answer.close()
            except ApiError as refused:
                kept.write(f"\n(the log ends here: {refused.message})\n".encode())
