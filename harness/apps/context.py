# SPDX-License-Identifier: Apache-2.0
"""What a scenario is given: the cluster, the release under test, a namespace of its own and a deadline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UnavailableError
from harness.kube.cluster import Cluster
from harness.late import client
from harness.matrix.connect_clients import ConnectClient
from harness.matrix.release import Release
from harness.releases import crds
from harness.releases.charts import Chart
from harness.verdicts import Finding
from harness.waiting import Deadline


def _nothing(findings: Sequence[Finding]) -> None:
    """The default of `before_deletion`."""


def _no_client(wanted: ConnectClient, timeout: float) -> Sequence[Path]:
    """The default of `python_client`."""
    raise UnavailableError(f"nobody fetches {wanted.name} here")


@dataclass(frozen=True, kw_only=True)
class ScenarioContext:
    """One cell's surroundings. `chart` is the one that the release was installed from.

    `namespace` exists and has `service_account`, which the operator's chart makes in each of its job namespaces.
    `webhook` is whether the release has one, by its values. `python_client` has the folders of a Python client of Spark
    Connect, fetched within so many seconds where it is not there; it raises HarnessError where it cannot be had.
    `helm` is the Helm program; `folder` takes what the scenario wants to leave (rendered manifests); `spark_images`
    maps a Spark version to an image reference, and `spark_version` is that of the scenario's applications, empty where
    it has no choice. `before_deletion` is called once, with the findings so far, when a
    claim did not hold and before anything is deleted: whoever gathers evidence hooks in there. Whatever a scenario
    makes up follows from `seed` (harness/seeds.py).
    """

    cluster: Cluster
    release: Release
    chart: Chart
    namespace: str
    operator_namespace: str
    helm: Path
    folder: Path
    spark_images: Mapping[str, str]
    deadline: Deadline
    before_deletion: Callable[[Sequence[Finding]], None] = _nothing
    seed: int = 0
    service_account: str = ""
    webhook: bool = True
    python_client: Callable[[ConnectClient, float], Sequence[Path]] = _no_client
    spark_version: str = ""

    @property
    def restricted(self) -> bool:
        """Whether pods must keep to the Pod Security Standard `restricted`."""
        return self.cluster.environment.restricted

    @property
    def spark_image(self) -> str:
        """The image of `spark_version`."""
        return self.spark_images[self.spark_version]

    def api(self) -> client.ApiClient:
        """An API client of the caller's own."""
        return self.cluster.api_client()

    def knows(self, field: str) -> bool:
        """Whether the release's own CRD of SparkApplications has a field, as `spec.executor.memoryLimit`."""
        spec = crds.chart_crds(self.chart).get(crds.APPLICATIONS)
        return spec is not None and crds.has_field(spec, field)

    def within(self, seconds: float) -> float:
        """The allowance of one wait: `seconds`, or what is left of the cell's time if that is less."""
        return min(seconds, self.deadline.left)
