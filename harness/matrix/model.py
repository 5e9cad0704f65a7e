# SPDX-License-Identifier: Apache-2.0
"""The matrix as frozen models: environment, path, scenario, cell."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Literal

from pydantic import Field

from harness.matrix import environment_names
from harness.matrix.rows import Model

RESTRICTED = "restricted-pod-security"
"""The add-on that asks it of pods."""


class Traits(Model):
    """What a cluster has beside provider and version; left out, it is as the provider has it.

    `nodes` is their number, the first of which is the control plane. `containerd` is the version in the foundry's node
    where it is not the usual one (2.3.7). `cluster_domain` is the domain of Services, `service_subnet` and `pod_subnet`
    are addresses in CIDR notation, `ip_family` is which kinds of addresses both have. `feature_gates` of Kubernetes are
    on and `api_versions`, as group/version, served. `cpus` and `memory_mib` are how much of the host each node may use
    and says that it has. `addons` are what is in the cluster before the operator (clusters/addons.toml).
    """

    nodes: int = Field(default=1, ge=1)
    containerd: str = ""
    cluster_domain: str = ""
    service_subnet: str = ""
    pod_subnet: str = ""
    ip_family: Literal["ipv4", "dual", "ipv6"] = "ipv4"
    feature_gates: tuple[str, ...] = ()
    api_versions: tuple[str, ...] = ()
    cpus: int = Field(default=0, ge=0)
    memory_mib: int = Field(default=0, ge=0)
    addons: tuple[str, ...] = ()


class Environment(Traits):
    """A provider, a Kubernetes version and its node image.

    `kubernetes` is the full version without `v` (`1.34.4`). `node_image` is the public image, pinned by digest where
    that is known, or empty when upstream offers none; `upstream_kubernetes` is the version in it, where upstream
    published another patch of the same minor, and `distribution` what runs in it (`kubernetes`, `k3s`). `foundry` says
    whether clusters/nodes/ has the rows to build a node, and `foundry_distribution` what runs on that one, if it is
    something else. `existing` says that the cluster is there already, and a user's. `properties` are the names of those
    that its own ends in (clusters/properties.toml), and `impossible` says why it cannot be had for one of them.
    """

    name: str
    provider: str
    kubernetes: str
    distribution: str = "kubernetes"
    node_image: str = ""
    upstream_kubernetes: str = ""
    foundry: bool = False
    foundry_distribution: str = ""
    existing: bool = False
    properties: tuple[str, ...] = ()
    impossible: str = ""
    tags: tuple[str, ...] = ()

    @property
    def base(self) -> str:
        """Its name without the properties."""
        return environment_names.base(self.name, self.properties)

    def named_by(self, patterns: Iterable[str]) -> bool:
        """Whether names and globs mean it: with properties, only those that end in all of them do."""
        return environment_names.named_by(self.name, self.properties, tuple(patterns))

    def concerned_by(self, patterns: Iterable[str]) -> bool:
        """Whether what holds for the environments of these names and globs holds for it, too.

        That is so for its base, and for that with one of its properties.
        """
        return environment_names.concerned_by(self.name, self.properties, tuple(patterns))

    @property
    def restricted(self) -> bool:
        """Whether pods must keep to the Pod Security Standard `restricted`."""
        return RESTRICTED in self.addons

    @property
    def minor(self) -> str:
        """`1.34` of `1.34.4`."""
        return ".".join(self.kubernetes.split(".")[:2])

    def kubernetes_from(self, source: str) -> str:
        """The full version that nodes from this source run (`foundry`, `upstream` or `mirror`)."""
        return self.kubernetes if source == "foundry" else self.upstream_kubernetes or self.kubernetes

    def distribution_from(self, source: str) -> str:
        """What really runs on nodes from this source."""
        return self.foundry_distribution or self.distribution if source == "foundry" else self.distribution

    @property
    def pinned(self) -> bool:
        """Whether the public node image is pinned by digest."""
        return "@sha256:" in self.node_image


PathKind = Literal["install", "upgrade", "rollback"]

CrdMode = Literal["none", "apply", "hook", "replace", "create", "ssa", "client-apply"]
"""What happens to CRDs at an upgrade, since Helm never touches those in a chart's crds/: nothing; the target chart's
applied by the server before Helm, with `--force-conflicts` (`apply`) or without (`ssa`), applied by the client, put in
the place of those that are there (`replace`), or only those created that are not; or the chart's own hook
(`hook.upgradeCrd=true`)."""

ValuesMode = Literal["default", "reuse", "reset-then-reuse", "pinned-registry"]
"""The values of an upgrade: the user's alone, Helm's `--reuse-values` or `--reset-then-reuse-values`, or
the user's with `image.registry` and `image.repository` set explicitly to those of the previous release."""


WayName = Literal[
    "helm",
    "helm3",
    "helm4",
    "kubectl",
    "kustomize",
    "overlay",
    "argocd-client",
    "argocd-server-side",
    "argocd-replace",
]
"""How a release gets onto the cluster: by the Helm that is on PATH, else by the foundry's Helm 3; by Helm 3 or 4,
whatever is on PATH; by `helm template | kubectl apply`; by `kubectl apply -k` of upstream's kustomization, as it is
shipped, or of an overlay over it, with the release's image and the namespaces of applications; or by Argo CD, which
syncs by its default, or by the sync options ServerSideApply or Replace."""


class Known(Model):
    """A break that the catalogue predicts.

    `scenario` and `check` are names or globs; `says` is a regular expression that the check's message must match.
    `strikes` says whether it breaks every time, is a race, or follows from another break.
    `why` is the cause in a sentence, `link` the upstream issue or the file of the chart that explains it, `way_out`
    the workaround. `move` is the step of a longer path that it is about, as named in findings. `environments` are names
    or globs of those in which it strikes, `spark` the Spark versions of applications, written as releases are; none
    stands for all. It strikes where the values of `release`, its chart's defaults included, are as `when` says: the key
    of a value → the value, for a text a glob. `ways` are those of which one must be the real one, where the path leaves
    that to the host; none stands for any. `out` is the CRD mode that is the way out, which is tried on the same
    cluster.
    """

    scenario: str
    check: str
    says: str
    why: str
    link: str
    way_out: str
    strikes: Literal["always", "sometimes", "follows"] = "always"
    move: str = ""
    environments: tuple[str, ...] = ()
    spark: tuple[str, ...] = ()
    release: str = ""
    when: Mapping[str, bool | int | str] = Field(default_factory=dict)
    ways: tuple[WayName, ...] = ()
    out: CrdMode | None = None

    @property
    def on_purpose(self) -> bool:
        """Whether it shows only where a scenario makes it happen."""
        return self.scenario.startswith("fault-")


class Move(Model):
    """One step of a path, an upgrade or a rollback between two releases given by name.

    `way` makes it, and `origin_way` has made what is there before it.
    """

    kind: Literal["upgrade", "rollback"]
    origin: str
    target: str
    way: WayName = "helm"
    origin_way: WayName = "helm"

    def __str__(self) -> str:
        return f"{self.origin} → {self.target}" if self.kind == "upgrade" else f"{self.origin} ⤺ {self.target}"


class Path(Model):
    """How a release gets onto the cluster.

    `releases` are the names of releases in the order of their first installation; a rollback goes
    back from the last to the first. `ways` has the way of each step, the install first; none stands for the usual one
    at every step. `profile` names values that all of them get before the user's. `outage_limit` and `delay_limit`
    limit, in milliseconds, how long creates may be rejected meanwhile and how long one may take; `helm` is the minimum
    Helm version.
    """

    name: str
    kind: PathKind = "install"
    releases: tuple[str, ...]
    ways: tuple[WayName, ...] = ()
    crds: CrdMode = "none"
    values: ValuesMode = "default"
    profile: str = ""
    helm: str = ""
    outage_limit: float = 0.0
    delay_limit: float = 0.0
    known: tuple[Known, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def moves(self) -> tuple[Move, ...]:
        """The steps after the first install, in order; empty for an install path."""
        ends: list[tuple[Literal["upgrade", "rollback"], str, str]]
        ends = [("upgrade", *pair) for pair in zip(self.releases, self.releases[1:], strict=False)]
        if self.kind == "rollback":
            ends.append(("rollback", self.releases[-1], self.releases[0]))
        return tuple(
            Move(kind=kind, origin=origin, target=target, way=self.way(number), origin_way=self.way(number - 1))
            for number, (kind, origin, target) in enumerate(ends, 1)
        )

    @property
    def out(self) -> CrdMode | None:
        """The CRD mode that leads out of all that is known to break for good at the only upgrade; None: none does."""
        if self.kind != "upgrade" or len(self.releases) != 2:
            return None
        always = [it for it in self.known if it.strikes == "always"]
        outs = [it.out for it in always if not (it.when or it.environments or it.spark or it.ways or it.on_purpose)]
        return outs[0] if outs and all(outs) else None

    def way(self, step: int = 0) -> WayName:
        """The way of a step; 0 is the install."""
        return self.ways[step] if self.ways else "helm"


class ClusterNeeds(Model):
    """What a scenario needs of the cluster that it runs on.

    `paths` are the kinds of paths on which it can run, and `ways` the ways of a path's last step; none stands for all
    of them. Scenarios with the same `cluster` share one for each
    environment and path: most have the common one, whose name is empty; a scenario that changes what the others rely on
    has its own. `installed` says what is on the cluster before the first cell: the first release of the path,
    or nothing, since the cells install it themselves. `nodes` is the number of nodes. `applications` are the kinds of
    applications that it checks on an upgrade path, which runs no others. `places` is the least number of the host's
    processors that it takes on one (clusters/processors.toml has what a path takes anyway). `addons` are those that its
    environment must have.
    """

    paths: tuple[PathKind, ...] = ("install",)
    ways: tuple[WayName, ...] = ()
    cluster: str = ""
    installed: Literal["first-release", "nothing"] = "first-release"
    nodes: int = Field(default=1, ge=1)
    applications: tuple[str, ...] = ()
    places: int = 1
    addons: tuple[str, ...] = ()

    def lack(self, environment: Environment) -> list[str]:
        """The add-ons that an environment does not have."""
        return [it for it in self.addons if it not in environment.addons]

    def fits(self, path: Path) -> bool:
        """Whether it can run on this path."""
        return path.kind in self.paths and (not self.ways or path.way(-1) in self.ways)


Granted = Literal["webhook", "named-namespaces", "runs-by-the-second"]
"""What a scenario takes for granted of values: a webhook that changes pods; namespaces that the operator does not
watch; names of a schedule's runs that differ within a minute."""


class Scenario(Model):
    """What a user of the operator does, and what must hold.

    `timeout` is in seconds; `images` are full references, and `parts` those of each part of it that is judged by
    itself, so that the others do without; `needs_crds` are the names of CRDs, and `needs_features`
    those of features (charts/behaviour.toml), which a release must have for it; `needs` is what it
    needs of its cluster, `takes_for_granted` what it needs of values; `further_namespaces` are those beside its own.
    `story` names the kind of scenario, see `harness/stories/`. `spark` is the Spark version of its applications, and
    `sparks` maps each one that they can run on to its image; both are empty where that is no choice.
    """

    name: str
    summary: str
    timeout: float = 600.0
    images: tuple[str, ...] = ()
    parts: tuple[tuple[str, ...], ...] = ()
    needs_crds: tuple[str, ...] = ("sparkapplications.sparkoperator.k8s.io",)
    needs_features: tuple[str, ...] = ()
    needs: ClusterNeeds = ClusterNeeds()
    takes_for_granted: tuple[Granted, ...] = ()
    further_namespaces: tuple[str, ...] = ()
    story: str = ""
    tags: tuple[str, ...] = ()
    spark: str = ""
    sparks: Mapping[str, str] = Field(default_factory=dict)

    @property
    def base(self) -> str:
        """Its name without a Spark version, `spark-pi` of `spark-pi+spark=4.1.4`."""
        return self.name.partition("+")[0]

    def goes_without(self, images: Collection[str]) -> bool:
        """Whether some part of it can be judged without these images, and nothing else needs them."""
        return not self.needs_all(images) and any(set(images).isdisjoint(part) for part in self.parts)

    def needs_all(self, images: Iterable[str]) -> list[str]:
        """Those of the images without which none of its parts can be judged."""
        of_parts = {it for part in self.parts for it in part}
        return [it for it in images if it not in of_parts]

    @property
    def namespace(self) -> str:
        """The namespace in which it runs: its name as a DNS-1123 label."""
        return re.sub("[.+=]", "-", self.name)


class Cell(Model):
    """Environment × path × scenario."""

    environment: Environment
    path: Path
    scenario: Scenario
    tags: tuple[str, ...] = Field(default=())

    def without(self, images: Collection[str]) -> Cell:
        """The same cell, which needs none of these images."""
        left = tuple(it for it in self.scenario.images if it not in images)
        return self.model_copy(update={"scenario": self.scenario.model_copy(update={"images": left})})

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
