# SPDX-License-Identifier: Apache-2.0
"""Installs the first release of a path while its cluster is still being made.

Helm's part of an install needs the API server and no node. What fails that early proves nothing about the release,
since the API server of a new cluster may go away again: it is taken back, and the install is done once more on the
finished cluster. Only that one is judged.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness import late
from harness.kube.cluster import Cluster
from harness.releases.home import Home
from harness.releases.install import BegunInstall
from harness.releases.undo import undo
from harness.waiting import Cancelled

_USED = ("kubernetes.client", "kubernetes.config", "harness.releases.helm_command")

Begin = Callable[[Cluster, threading.Event], BegunInstall]
"""Has Helm install the release, and ends early when the event is set. Raises as harness.releases.install.begin does."""


class EarlyInstall:
    """One attempt to install early. The provider calls it in a thread of its own; `take` tells what came of it."""

    def __init__(self, begin: Begin, *, helm: Path, say: Callable[[str], None], home: Home) -> None:
        self._begin = begin
        self._helm = helm
        self._say = say
        self._home = home
        self._begun: BegunInstall | None = None
        self._error: Exception | None = None
        # While the node starts, this process has nothing else to do.
        threading.Thread(target=late.load, args=_USED, name="early-imports", daemon=True).start()

    def __call__(self, cluster: Cluster, failed: threading.Event) -> None:
        """Install; does not raise."""
        try:
            self._begun = self._begin(cluster, failed)
        except Exception as error:
            self._error = error

    def take(self, cluster: Cluster) -> BegunInstall | None:
        """What Helm installed; None when it is still to be done. To be called once the cluster can be used.

        Its time is part of the cluster's, so that it has no seconds of its own. Raises ClusterError when a failed
        attempt cannot be taken back, and Cancelled.
        """
        if isinstance(self._error, Cancelled):
            raise self._error
        if self._error is not None:
            self._say(
                "the release is installed again, since installing it while the cluster was being created failed: "
                f"{str(self._error).splitlines()[0]}"
            )
            undo(cluster, helm=self._helm, name=self._home.name, namespace=self._home.namespace)
        begun = self._begun
        return begun and replace(begun, release=replace(begun.release, seconds={}))
