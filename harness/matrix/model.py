# SPDX-License-Identifier: Apache-2.0
"""The words of the matrix as frozen models: environment, release, path, scenario, cell."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.matrix.versions import within


class Model(BaseModel):
    """Base of all catalogue rows: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Environment(Model):
    """A provider, a Kubernetes version and its node image.

    `kubernetes` is the full version without `v` (`1.34.4`). `node_image` is the public image, pinned by digest where
    that is known, or empty when upstream offers none; `upstream_kubernetes` is the version in it, where upstream
    published another patch of the same minor, and `distribution` what runs in it (`kubernetes`, `k3s`). `foundry` says
    whether clusters/nodes/ has the rows to build a node, and `foundry_distribution` what runs in that one, where it is
    something else.
    """

    name: str
    provider: str
    kubernetes: str
    distribution: str = "kubernetes"
    node_image: str = ""
    upstream_kubernetes: str = ""
    foundry: bool = False
    foundry_distribution: str = ""
    tags: tuple[str, ...] = ()

    @property
    def minor(self) -> str:
        """`1.34` of `1.34.4`."""
        return ".".join(self.kubernetes.split(".")[:2])

    def kubernetes_from(self, source: str) -> str:
        """The full version that nodes from this source run (`foundry`, `upstream` or `mirror`)."""
        return self.kubernetes if source == "foundry" else self.upstream_kubernetes or self.kubernetes

    def distribution_from(self, source: str) -> str:
        """What really runs in nodes from this source."""
        return self.foundry_distribution or self.distribution if source == "foundry" else self.distribution

    @property
    def pinned(self) -> bool:
        """Whether the public node image is named by its digest, so that it is the same one each time."""
        return "@sha256:" in self.node_image


class ChartSource(StrEnum):
    """Where a chart can come from."""

    HELM_REPOSITORY = "helm-repository"
    OCI = "oci"
    FILE = "file"
    FOUNDRY = "foundry"
    IMPORTED = "imported"


class Fact(Model):
    """Something that holds of releases from `since` on, up to `until` where that is given; `source` shows it."""

    since: str
    until: str = ""
    source: str = Field(pattern=r"^https://[^\s/]+/\S+$")

    def holds(self, version: str) -> bool:
        """Whether it holds of this release."""
        return within(version, self.since, self.until)


DYNAMIC = "dynamicAllocation"
"""In conditions of defaults: an application with dynamic allocation enabled in its spec."""


class Default(Fact):
    """A value that the mutating webhook fills into a SparkApplication whose spec leaves `field` out.

    `only_with` is what spec must have besides for that; with something of `unless`, which are keys of sparkConf or
    DYNAMIC, the field is left alone, and Spark takes its own default, `spark`.
    """

    field: str = Field(pattern=r"^[a-z]\w*(\.[a-z]\w*)*$")
    value: bool | int | str
    spark: bool | int | str | None = None
    only_with: Literal["", "sparkConf", "dynamicAllocation"] = ""
    unless: tuple[str, ...] = ()

    def applies(self, spec: Mapping[str, Any]) -> bool:
        """Whether an application with this spec gets the value."""
        conf = spec.get("sparkConf")
        dynamic = bool((spec.get("dynamicAllocation") or {}).get("enabled"))
        with_it = {"": True, "sparkConf": conf is not None, DYNAMIC: dynamic}[self.only_with]
        without = all(not (dynamic if it == DYNAMIC else (conf or {}).get(it)) for it in self.unless)
        return with_it and without


class Rule(Fact):
    """What the validating webhook refuses, with the words of its refusal.

    `breaks` is what a valid application is changed by so that it breaks this rule, and no other.
    """

    name: str
    says: str = Field(min_length=1)
    breaks: dict[str, Any] = Field(min_length=1)


SUSPEND = "suspend"
"""The feature that more than a scenario asks for."""


class Feature(Fact):
    """What an application can ask for; scenarios name it in `needs_features`. `means` says what is missing before."""

    name: str
    means: str = Field(min_length=1)


class Metric(Fact):
    """A name that the controller registers. It is on the endpoint once what it counts has happened."""

    name: str


class LogNoise(Fact):
    """Log lines that look bad and are normal: a regular expression, and why they come."""

    says: str
    why: str = Field(min_length=1)


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
    notes: str = ""


class Release(ReleaseRow):
    """A release with its row, and with what charts/behaviour.toml says of it.

    `relocated` says that its images were copied to a registry and repository to which upstream does not publish them.
    `left_alone` are fields that other releases' webhooks fill in, and this one's never does. `features` are all that
    any release has; `metrics` are names, `known_log_noise` regular expressions.
    """

    relocated: bool = False
    defaults: tuple[Default, ...] = ()
    left_alone: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()
    features: tuple[Feature, ...] = ()
    metrics: tuple[str, ...] = ()
    known_log_noise: tuple[str, ...] = ()

    def has(self, feature: str) -> bool:
        """Whether an application can ask this release for a feature, by its name."""
        return any(it.name == feature and it.holds(self.version) for it in self.features)

    @property
    def name(self) -> str:
        """How paths name it: the version, of a relocated one with its registry, `2.2.1@docker.io`."""
        return f"{self.version}@{self.registry}" if self.relocated else self.version

    @property
    def image(self) -> str:
        """The operator's image by its full name, `ghcr.io/kubeflow/spark-operator/controller:2.5.2`."""
        return f"{self.registry}/{self.repository}:{self.version}"

    @property
    def hook_image(self) -> str:
        """The Helm hook's image by its full name, or empty before 2.3.0."""
        return f"{self.hook_registry}/{self.hook_repository}:{self.version}" if self.hook_repository else ""

    @property
    def crds_link(self) -> str:
        """Where upstream has the CRDs of this release."""
        return f"https://github.com/kubeflow/spark-operator/tree/v{self.version}/charts/spark-operator-chart/crds"


class Relocation(Model):
    """A registry to which sites copy releases: its host, and the repositories there of operator and hook images."""

    host: str
    repository: str
    hook_repository: str

    def of(self, release: Release) -> Release:
        """The release with its images there."""
        hook = {"hook_registry": self.host, "hook_repository": self.hook_repository} if release.hook_image else {}
        return release.model_copy(
            update={"registry": self.host, "repository": self.repository, "relocated": True, **hook}
        )


PathKind = Literal["install", "upgrade", "rollback"]

CrdMode = Literal["none", "apply", "hook"]
"""What happens to CRDs at an upgrade, since Helm never touches those in a chart's crds/: nothing, a server-side apply
of the target chart's before Helm, or the chart's own hook (`hook.upgradeCrd=true`)."""

ValuesMode = Literal["default", "reuse", "reset-then-reuse", "pinned-registry"]
"""Which values an upgrade is given: those of its user alone, Helm's `--reuse-values` or `--reset-then-reuse-values`, or
the user's with `image.registry` and `image.repository` written down as they were for the release before."""


class Known(Model):
    """A break that the catalogue predicts.

    `scenario` and `check` are names or globs; `says` is a regular expression that the check's message must match.
    `strikes` says whether it breaks each time, is a race, or follows from another break, so that it may show there too.
    `why` is the cause in a sentence, `link` the upstream issue or the file of the chart that explains it, `way_out`
    what its user does. `move` is the step of a path of several that it is about, as findings name it.
    """

    scenario: str
    check: str
    says: str
    why: str
    link: str
    way_out: str
    strikes: Literal["always", "sometimes", "follows"] = "always"
    move: str = ""


class Move(Model):
    """One step of a path: from a release to another, by `helm upgrade` or by `helm rollback`. Names of releases."""

    kind: Literal["upgrade", "rollback"]
    origin: str
    target: str

    def __str__(self) -> str:
        return f"{self.origin} → {self.target}" if self.kind == "upgrade" else f"{self.origin} ⤺ {self.target}"


class Path(Model):
    """How a release gets onto the cluster.

    `releases` are the names of releases in the order in which they are installed for the first time; a rollback goes
    back from the last to the first. `outage_limit` and `delay_limit` bound, in milliseconds, how long creates may be
    refused while it happens and how long one may take; `helm` is the oldest Helm version that can do it.
    """

    name: str
    kind: PathKind = "install"
    releases: tuple[str, ...]
    crds: CrdMode = "none"
    values: ValuesMode = "default"
    helm: str = ""
    outage_limit: float = 0.0
    delay_limit: float = 0.0
    known: tuple[Known, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def moves(self) -> tuple[Move, ...]:
        """The steps after the first install, in their order; none of an install."""
        pairs = list(zip(self.releases, self.releases[1:], strict=False))
        found = [Move(kind="upgrade", origin=origin, target=target) for origin, target in pairs]
        if self.kind == "rollback":
            found.append(Move(kind="rollback", origin=self.releases[-1], target=self.releases[0]))
        return tuple(found)


class ClusterNeeds(Model):
    """What a scenario needs of the cluster that it runs on.

    `paths` are the kinds of paths on which it can be asked. Scenarios with the same `cluster` share one for each
    environment and path: most have the common one, whose name is empty; a scenario that changes what the others rely on
    has a name of its own. `installed` says what is on the cluster before the first cell: the first release of the path,
    or nothing, since the cells install it themselves. `nodes` is how many nodes the cluster has. `applications` are the
    kinds of applications that it judges along a path with moves, which brings no others. `places` is how many of the
    host's places for paths it takes on one; with applications there are at least two.
    """

    paths: tuple[PathKind, ...] = ("install",)
    cluster: str = ""
    installed: Literal["first-release", "nothing"] = "first-release"
    nodes: int = Field(default=1, ge=1)
    applications: tuple[str, ...] = ()
    places: int = 1


class Scenario(Model):
    """What an operator's user does, and what must hold.

    `timeout` is in seconds; `images` are full references; `needs_crds` are the names of CRDs, and `needs_features`
    those of features (charts/behaviour.toml), without which a release cannot be asked to do it; `needs` is what it
    needs of its cluster. `story` names the kind of scenarios that it is one of, see `harness/stories/`.
    """

    name: str
    summary: str
    timeout: float = 600.0
    images: tuple[str, ...] = ()
    needs_crds: tuple[str, ...] = ("sparkapplications.sparkoperator.k8s.io",)
    needs_features: tuple[str, ...] = ()
    needs: ClusterNeeds = ClusterNeeds()
    story: str = ""
    tags: tuple[str, ...] = ()

    @property
    def namespace(self) -> str:
        """The namespace in which it runs: its name, made a DNS-1123 label."""
        return self.name.replace(".", "-")


class Cell(Model):
    """Environment × path × scenario."""

    environment: Environment
    path: Path
    scenario: Scenario
    tags: tuple[str, ...] = Field(default=())

    @property
    def id(self) -> str:
        """Stable name, `kind-1.34/install-2.5.2/spark-pi`."""
        return f"{self.environment.name}/{self.path.name}/{self.scenario.name}"

    @property
    def group(self) -> str:
        """Environment and path, `kind-1.34/install-2.5.2`."""
        return f"{self.environment.name}/{self.path.name}"

    @property
    def cluster(self) -> str:
        """Cells with the same value share a cluster."""
        name = self.scenario.needs.cluster
        return f"{self.group}/{name}" if name else self.group
