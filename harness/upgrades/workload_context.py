# SPDX-License-Identifier: Apache-2.0
"""What the applications along a path are given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.apps import samples
from harness.apps.users import UserManifests
from harness.kube.cluster import Cluster
from harness.matrix.model import CrdMode
from harness.matrix.release import Release
from harness.waiting import Deadline


@dataclass(frozen=True, kw_only=True)
class WorkloadContext:
    """A workload's surroundings. The three namespaces exist, and are job namespaces of each release.

    `releases` are those that are installed on the path, in order, of a rollback with the one that it goes back to as
    the last; `moves` is how many moves there are, `crds` what happens to the CRDs at each. `watched` are the kinds of
    applications that somebody will judge: of the others there is only one that has ended before the first move, and
    one that comes after the last, so that the operator has something to do. `user_apps` are manifests of `--apps`.
    Applications run under `service_account`; empty for that of a release without values of a user. `longer` are the
    seconds by which a new leader leads later than usual.
    """

    cluster: Cluster
    releases: tuple[Release, ...]
    moves: int
    crds: CrdMode
    watched: Collection[str]
    helm: Path
    folder: Path
    spark_images: Mapping[str, str]
    deadline: Deadline
    user_apps: UserManifests = ()
    service_account: str = ""
    longer: float = 0.0

    def rendering(self, namespace: str) -> samples.RenderedFor:
        """What samples are rendered for, in one of the namespaces."""
        return samples.RenderedFor(
            namespace=namespace,
            helm=self.helm,
            folder=self.folder / namespace,
            spark_images=self.spark_images,
            service_account=self.service_account,
            restricted=self.cluster.environment.restricted,
        )
