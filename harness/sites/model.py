# SPDX-License-Identifier: Apache-2.0
"""What a snapshot of a site says, as models. Field names of written objects are those of Kubernetes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = 1
"""The version of the folder's format: a newer one is refused."""


class Model(BaseModel):
    """Base of the models: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Unread(Model):
    """Something that could not be read, and why; `right` is the permission that is missing, if that is the reason."""

    what: str
    why: str
    right: str = ""


class Nodes(Model):
    """Nodes that are alike, and their number."""

    count: int
    architecture: str
    os: str
    runtime: str
    kubelet: str


class ClusterFacts(Model):
    """Kubernetes of the site. `distribution` is told by the version and by labels of nodes; `kubernetes` if by none."""

    version: str
    distribution: str
    nodes: tuple[Nodes, ...] = ()


class HelmRelease(Model):
    """The newest revision of a Helm release. `masked` are JSON pointers of values that are `***` here.

    `manager` is the field manager of the Secret, which names the program that wrote it; `applied` says how Helm 4
    applies the release, `ssa` or `csa`; empty where Helm 3 wrote it.
    """

    name: str
    namespace: str
    revision: int
    status: str
    chart: str
    chart_version: str
    app_version: str
    manager: str = ""
    applied: str = ""
    values: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()


class Installer(Model):
    """An object of a GitOps tool that brings the operator. `at` is the place of the chart's version in it (slashes).

    `options` are sync options, `crds` what its tool does with CRDs at an upgrade, as the object says; empty for the
    tool's default. `elsewhere` names what else has values of it: files in Git, ConfigMaps and Secrets. `suspended` says
    that its tool leaves it alone, `keeps_values` that an upgrade gets the values of the release before, too.
    """

    tool: str
    kind: str
    name: str
    namespace: str
    source: str = ""
    version: str = ""
    at: str = ""
    options: tuple[str, ...] = ()
    crds: str = ""
    suspended: bool = False
    keeps_values: bool = False
    elsewhere: tuple[str, ...] = ()
    values: dict[str, Any] = Field(default_factory=dict)
    masked: tuple[str, ...] = ()


class Image(Model):
    """An image of running containers: as the pod asks for it, and as its node reports it, with their number."""

    role: str
    asked: str
    reported: str
    digest: str
    pods: int


class Operator(Model):
    """A Deployment of the operator."""

    name: str
    namespace: str
    role: str
    image: str
    arguments: tuple[str, ...] = ()
    replicas: int = 0
    ready: int = 0
    labels: dict[str, str] = Field(default_factory=dict)


class Crd(Model):
    """A CRD of the operator's group, who wrote it, and how it was applied, in words."""

    name: str
    managers: tuple[str, ...] = ()
    applied: str = ""
    stored: tuple[str, ...] = ()


class Webhook(Model):
    """One webhook of a configuration. `ca` is whether it has a CA, which is not kept."""

    kind: str
    configuration: str
    name: str
    service: str
    failure_policy: str
    timeout_seconds: int = 0
    resources: tuple[str, ...] = ()
    ca: bool = False


class PullSecret(Model):
    """A pull secret by name, and the registries that it is for; None where that could not be read."""

    name: str
    registries: tuple[str, ...] | None = None


class PriorityClass(Model):
    """A PriorityClass that is not Kubernetes' own. `default` is whether pods without one get it."""

    name: str
    value: int
    default: bool = False
    preemption: str = ""


class Namespace(Model):
    """A namespace in which applications run."""

    name: str
    exists: bool = True
    pod_security: dict[str, str] = Field(default_factory=dict)
    quotas: dict[str, Any] = Field(default_factory=dict)
    limits: dict[str, Any] = Field(default_factory=dict)
    network_policies: dict[str, Any] = Field(default_factory=dict)
    pull_secrets: tuple[PullSecret, ...] = ()
    accounts: tuple[str, ...] = ()


class Applications(Model):
    """The applications of a kind: how many, in which states; `written` of them are in the folder."""

    kind: str
    count: int
    written: int
    states: dict[str, int] = Field(default_factory=dict)
    masked: int = 0


class Site(Model):
    """Everything but the applications themselves and the CRDs' schemas, which are read from their files when needed."""

    schema_version: int = SCHEMA
    made: str
    harness: str
    context: str
    cluster: ClusterFacts
    operators: tuple[Operator, ...] = ()
    releases: tuple[HelmRelease, ...] = ()
    installers: tuple[Installer, ...] = ()
    images: tuple[Image, ...] = ()
    crds: tuple[Crd, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    applications: tuple[Applications, ...] = ()
    kinds: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

    def of_kind(self, kind: str) -> Applications | None:
        """The applications of a kind."""
        return next((it for it in self.applications if it.kind == kind), None)


Object = Mapping[str, Any]
"""The JSON of an object."""
