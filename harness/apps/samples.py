# SPDX-License-Identifier: Apache-2.0
"""The sample applications of charts/spark-samples: their images, and their manifests as Helm renders them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness import libyaml
from harness.errors import CatalogueError
from harness.process import call
from harness.settings import PROJECT_ROOT

CHART = PROJECT_ROOT / "charts" / "spark-samples"

Manifest = dict[str, Any]


class Sizes(BaseModel):
    """What an application asks for, in the operator's words (`coreRequest`, `memoryOverhead`, …)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    coreRequest: str
    coreLimit: str
    memory: str
    memoryOverhead: str = ""
    memoryLimit: str = ""


class SparkChoice(BaseModel):
    """Versions and images: `version` is that of all samples but spark-3.5, which runs `older_version`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: str
    older_version: str = Field(alias="olderVersion")
    images: dict[str, str]

    @property
    def image(self) -> str:
        """The image of `version`, by its full name."""
        return self.images[self.version]


class Bounds(BaseModel):
    """Numbers of executors that dynamic allocation keeps to."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    min: int
    max: int


class Schedule(BaseModel):
    """When the scheduled sample fires, and how many finished runs are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schedule: str
    successful_run_history_limit: int = Field(alias="successfulRunHistoryLimit")
    failed_run_history_limit: int = Field(alias="failedRunHistoryLimit")


class LongRun(BaseModel):
    """The file that ends the sample long."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    file: str


class ConnectQuery(BaseModel):
    """What the Connect client asks: the sum of all numbers up to one."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    up_to: int = Field(alias="upTo")


class PodSize(BaseModel):
    """What each driver asks of a node's processors, a Kubernetes quantity."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    core_request: str = Field(alias="coreRequest")


class ChartValues(BaseModel):
    """The part of the chart's values.yaml that the harness relies on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    spark: SparkChoice
    service_account: str = Field(alias="serviceAccount")
    driver: PodSize
    retries: int
    exit_status: int = Field(alias="exitStatus")
    time_to_live_seconds: int = Field(alias="timeToLiveSeconds")
    hold_seconds: float = Field(alias="holdSeconds")
    dynamic_allocation: Bounds = Field(alias="dynamicAllocation")
    scheduled: Schedule
    long: LongRun
    connect: ConnectQuery
    custom_resources: dict[str, Sizes] = Field(alias="customResources")


@cache
def chart_values(file: Path = CHART / "values.yaml") -> ChartValues:
    """The chart's own values. Raises CatalogueError when the file lacks what the harness needs."""
    try:
        values = ChartValues.model_validate(yaml.safe_load(file.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as broken:
        raise CatalogueError(f"{file} cannot be used: {broken}", "correct it, or restore it from git") from broken
    for version in (values.spark.version, values.spark.older_version):
        if version not in values.spark.images:
            raise CatalogueError(f"{file}: spark.images has no entry for Spark {version}", "add its image reference")
    return values


_RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    # The image names its user, where the kubelet must know that it is not root.
    "runAsUser": 185,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What the standard asks of each container (https://kubernetes.io/docs/concepts/security/pod-security-standards)."""


class Rendering(Protocol):
    """What rendering needs to know; a ScenarioContext does."""

    @property
    def namespace(self) -> str:
        """Where the sample is to run."""

    @property
    def helm(self) -> Path:
        """The Helm program."""

    @property
    def folder(self) -> Path:
        """Takes values and result."""

    @property
    def spark_images(self) -> Mapping[str, str]:
        """Spark version → image reference."""

    @property
    def spark_version(self) -> str:
        """The Spark version that the sample runs on; empty for the usual one."""

    @property
    def service_account(self) -> str:
        """What the release made for applications; empty for the one of a release without values of a user."""

    @property
    def restricted(self) -> bool:
        """Whether the namespace takes only pods of the Pod Security Standard `restricted`."""


def account(ctx: Rendering) -> str:
    """The service account that samples run under."""
    return ctx.service_account or chart_values().service_account


@dataclass(frozen=True, kw_only=True)
class RenderedFor:
    """The surroundings of samples that belong to no single scenario."""

    namespace: str
    helm: Path
    folder: Path
    spark_images: Mapping[str, str]
    service_account: str = ""
    restricted: bool = False
    spark_version: str = ""


def render(ctx: Rendering, sample: str, values: Mapping[str, Any] | None = None) -> list[Manifest]:
    """The manifests of one sample, as `helm template` makes them; values and result stay in the cell's folder.

    Raises CommandError when Helm refuses, with Helm's words.
    """
    given = {**(values or {}), "samples": [sample], "serviceAccount": account(ctx)}
    if ctx.restricted:
        given["securityContext"] = _RESTRICTED
    given["spark"] = {**given.get("spark", {}), "images": dict(ctx.spark_images)}
    if ctx.spark_version:
        given["spark"]["version"] = ctx.spark_version
    ctx.folder.mkdir(parents=True, exist_ok=True)
    values_file = ctx.folder / f"{sample}-values.yaml"
    values_file.write_text(yaml.safe_dump(given, sort_keys=False))
    done = call(
        [ctx.helm, "template", sample.replace(".", "-"), CHART, "--namespace", ctx.namespace, "--values", values_file],
        timeout=60,
    )
    (ctx.folder / f"{sample}.yaml").write_text(done.stdout)
    return [manifest for manifest in yaml.load_all(done.stdout, Loader=libyaml.Loader) if manifest]
