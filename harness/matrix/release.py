# SPDX-License-Identifier: Apache-2.0
"""Releases of the Spark Operator as frozen models: their charts, their images, and what is known of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from harness.matrix.facts import Default, Feature, GrantedRight, IgnoredValue, Rule, StoredCheck, UnmetRight
from harness.matrix.rows import Model


class ChartSource(StrEnum):
    """Where a chart can come from."""

    HELM_REPOSITORY = "helm-repository"
    OCI = "oci"
    FILE = "file"
    FOUNDRY = "foundry"
    IMPORTED = "imported"


class ReleaseRow(Model):
    """A `[[release]]` of charts/releases.toml: one Spark Operator version, its chart and its images."""

    version: str
    date: str
    registry: str
    repository: str
    hook_registry: str = ""
    hook_repository: str = ""
    spark: str
    crds: tuple[str, ...]
    kubernetes: str = ""
    chart_repository: str = ""
    chart_oci: str = ""
    sources: tuple[Literal["upstream", "foundry"], ...] = ("upstream",)
    kustomize: bool = False
    notes: str = ""


class Release(ReleaseRow):
    """A release with its row and its facts in charts/behaviour.toml.

    `relocated` says that its images were copied to a registry and repository to which upstream does not publish them.
    `tag` is that of the images of the operator under test, which no registry but the run's own has; of published ones
    it is the version.
    `left_alone` are fields that only other releases' webhooks set. `features` are those of
    all releases; `metrics` are names, `known_log_noise` regular expressions.
    """

    relocated: bool = False
    tag: str = ""
    defaults: tuple[Default, ...] = ()
    left_alone: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    refused_conf: dict[str, str] = Field(default_factory=dict)
    stored_checks: tuple[StoredCheck, ...] = ()
    features: tuple[Feature, ...] = ()
    metrics: tuple[str, ...] = ()
    known_log_noise: tuple[str, ...] = ()
    ignored_values: tuple[IgnoredValue, ...] = ()
    unmet_rights: tuple[UnmetRight, ...] = ()
    granted_rights: tuple[GrantedRight, ...] = ()

    def ignores(self, value: str) -> IgnoredValue | None:
        """What is known of a value that this release does not heed; None of others."""
        return next((it for it in self.ignored_values if it.value == value), None)

    def has(self, feature: str) -> bool:
        """Whether this release has a feature, by name."""
        return any(it.name == feature and it.holds(self.version) for it in self.features)

    @property
    def name(self) -> str:
        """Its name in paths: the version, for a relocated one with its registry, `2.2.1@docker.io`."""
        return f"{self.version}@{self.registry}" if self.relocated else self.version

    @property
    def image(self) -> str:
        """The operator's image by its full name, `ghcr.io/kubeflow/spark-operator/controller:2.5.2`."""
        return f"{self.registry}/{self.repository}:{self.tag or self.version}"

    @property
    def hook_image(self) -> str:
        """The Helm hook's image by its full name, or empty before 2.3.0."""
        tag = self.tag or self.version
        return f"{self.hook_registry}/{self.hook_repository}:{tag}" if self.hook_repository else ""

    @property
    def under_test(self) -> bool:
        """Whether it is the operator under test, which nobody has published."""
        return bool(self.tag)

    @property
    def crds_link(self) -> str:
        """Where upstream has the CRDs of this release."""
        return f"https://github.com/kubeflow/spark-operator/tree/v{self.version}/charts/spark-operator-chart/crds"


class Relocation(Model):
    """A registry that sites copy releases to: its host, and the repositories of operator and hook images there.

    `published` is the last release that upstream has there itself; empty where it has none.
    """

    host: str
    repository: str
    hook_repository: str
    published: str = ""

    def of(self, release: Release) -> Release:
        """The release with its images there."""
        hook = {"hook_registry": self.host, "hook_repository": self.hook_repository} if release.hook_image else {}
        return release.model_copy(
            update={"registry": self.host, "repository": self.repository, "relocated": True, **hook}
        )
