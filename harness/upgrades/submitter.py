# SPDX-License-Identifier: Apache-2.0
"""Creates a small application every few seconds, whatever happens to the operator meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from harness.apps.objects import Objects
from harness.apps.samples import Manifest
from harness.kube.cluster import Cluster
from harness.upgrades.creations import Creations, renamed
from harness.upgrades.workload_seen import Part, When

_LOOK_AGAIN = 0.5
"""Seconds."""


class Submitter:
    """A thread that submits `small` as `small-1`, `small-2`, … every `interval` seconds.

    While `most` of those that were accepted are `under_way`, it waits: an operator that nobody leads, or a slow host,
    must not be buried under what piles up. What is refused is not tried again under its name: the next one comes soon
    enough.
    """

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        small: Sequence[Manifest],
        creations: Creations,
        *,
        interval: float,
        under_way: Callable[[], int],
        most: int,
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._small = small
        self._creations = creations
        self._interval = interval
        self._under_way = under_way
        self._most = most
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._submit_on, name="submitter", daemon=True)

    def start(self) -> None:
        """Begin to submit, with the first application at once."""
        self._thread.start()

    def stop(self) -> None:
        """Submit no more. To call it twice does no harm."""
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _submit_on(self) -> None:
        number, due = 1, time.monotonic()
        with self._cluster.api_client() as api:
            objects = Objects(api, self._namespace)
            while not self._over.wait(max(0.0, due - time.monotonic())):
                if self._under_way() >= self._most:
                    due = time.monotonic() + _LOOK_AGAIN
                    continue
                self._creations.create(objects, renamed(self._small, f"small-{number}"), Part.SMALL, When.DURING)
                number += 1
                due = max(due + self._interval, time.monotonic())
