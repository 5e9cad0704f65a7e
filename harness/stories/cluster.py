# SPDX-License-Identifier: Apache-2.0
"""Clusters as scenarios find them: bare, or with the first release of their path installed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from harness.kube.cluster import Cluster
    from harness.matrix.model import Path
    from harness.providers.base import Provider
    from harness.releases.on_path import ReleaseOnPath
    from harness.releases.shared import SharedState
    from harness.releases.ways.protocol import InstalledRelease

T = TypeVar("T")


class Once:
    """What is made once on a cluster, by whichever of its cells asks first; the others wait for it."""

    def __init__(self) -> None:
        self._made: dict[Hashable, Future[Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` made for this key, or raised."""
        with self._lock:
            mine = key not in self._made
            future: Future[T] = self._made.setdefault(key, Future())
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                future.set_exception(error)
                raise
        return future.result()


@dataclass(frozen=True, kw_only=True)
class BareCluster:
    """A cluster that answers, with the job namespaces of its cells and no release.

    `releases` are those of the path by name. `applications` are the kinds that all cells on it judge between them.
    """

    cluster: Cluster
    provider: Provider
    path: Path
    releases: Mapping[str, ReleaseOnPath]
    job_namespaces: tuple[str, ...]
    applications: frozenset[str] = frozenset()
    once: Once = field(default_factory=Once)


@dataclass(frozen=True, kw_only=True)
class PreparedCluster(BareCluster):
    """A cluster with the first release of the path; `before` is what its cells share, before the first of them."""

    installed: InstalledRelease
    before: SharedState
