# SPDX-License-Identifier: Apache-2.0
"""Clusters and releases for the tests of a run, which have neither.

Provider, installation, checks and scenarios are stand-ins that do what a test tells them; groups, runner, ledger,
verdicts and results are real. What the stand-ins replace is shown on real clusters by the cells themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness import install_checks
from harness.apps.context import ScenarioContext
from harness.apps.samples import CHART
from harness.bootstrap.tools import Tool
from harness.errors import HarnessError
from harness.evidence.desk import EvidenceRequest
from harness.evidence.ledger import Ledger
from harness.images.mirrors import BLOCKED, MirrorMap
from harness.kube.cluster import Cluster
from harness.kube.pull_messages import PullsLeft
from harness.matrix import catalogue, expand
from harness.matrix.model import Cell, ClusterNeeds, Environment, Scenario
from harness.matrix.release import ChartSource, Release
from harness.options import RunOptions
from harness.process import Completed
from harness.providers import PROVIDERS
from harness.providers.base import ClusterSpec
from harness.registries.image_records import ImageRecord
from harness.registries.source_choice import Choice
from harness.releases import provision, shared, surroundings
from harness.releases.charts import Chart
from harness.releases.home import OPERATOR_NAMESPACE, RELEASE_NAME
from harness.releases.install import BegunInstall
from harness.releases.shared import SharedState
from harness.releases.surroundings import Surroundings
from harness.releases.ways.protocol import InstalledRelease
from harness.report.model import CellResult, HostResult
from harness.run import early_install, gathering, preparation, run_host, setup
from harness.run.attempt import Attempt
from harness.settings import Settings
from harness.stories.installs import scenarios
from harness.verdicts import Finding, passed
from harness.waiting import Deadline

RUN_ID = "20260801-101500-ab12"
CATALOGUE = catalogue.load()
RELEASE = CATALOGUE.release("2.5.2")
IMAGE = "docker.io/apache/spark:4.0.4"
NEEDS = ClusterNeeds()

UNTOUCHED = SharedState(objects=frozenset({"Namespace/default"}), generations={"controller": 1}, restarts={"pod": 0})

Play = Callable[[ScenarioContext], list[Finding]]


def nothing() -> None:
    """What happens when a test says nothing."""


def attempt(
    scenario: str,
    environment: str = "kind-1.34",
    number: int = 1,
    *,
    needs: ClusterNeeds = NEEDS,
    path: str = "install-2.5.2",
    story: str = "installs",
) -> Attempt:
    """An attempt at a cell; the scenario need not exist elsewhere."""
    cell = expand.cell(
        CATALOGUE.environment(environment),
        expand.find_path(CATALOGUE, path),
        Scenario(name=scenario, summary=scenario, timeout=30, images=(IMAGE,), needs=needs, story=story),
    )
    return Attempt(cell=cell, number=number)


def request(
    folder: Path,
    *,
    keep: bool = False,
    jobs: int = 1,
    app_slots: int = 4,
    fresh: bool = False,
    bootstrap: bool = False,
) -> setup.Request:
    """A request for nothing in particular."""
    return setup.Request(
        options=RunOptions(keep=keep, jobs=jobs, fresh=fresh, bootstrap=bootstrap),
        settings=Settings(
            cache_dir=folder / "cache",
            reports_dir=folder / "reports",
            jobs=jobs,
            app_slots=app_slots,
            processors=2,
            source="foundry",
        ),
        catalogue=CATALOGUE,
        cells=(),
        values=(),
    )


def host() -> run_host.Host:
    """A host with all tools."""
    names = ("kind", "helm", "kubectl", "kubectl-1.34", "kubectl-1.36", "registry")
    return run_host.Host(
        result=HostResult(os="Debian 12", kernel="6", cpus=2, memory_mib=16384, engine="Docker 20", cgroup="v1"),
        choice=Choice(kind="foundry", why="a test"),
        tools={name: Tool(name=name, path=Path("/tools", name), version="1.0.0", origin="foundry") for name in names},
    )


@dataclass
class Stage:
    """What the stand-ins do, and what was asked of them."""

    folder: Path
    plays: dict[str, Play] = field(default_factory=dict)
    held: tuple[str, ...] = ()
    mirrors: MirrorMap = field(default_factory=MirrorMap)
    refusals: dict[str, Finding] = field(default_factory=dict)
    on_preflight: Callable[[Iterable[str]], None] = lambda cells: None
    on_node_image: Callable[[], None] = nothing
    on_create: Callable[[], None] = nothing
    on_node: Callable[[], str] = lambda: BLOCKED
    api_answers_early: bool = False
    on_install: Callable[[], None] = nothing
    on_ready: Callable[[], None] = nothing
    on_delete: Callable[[], None] = nothing
    on_collect: Callable[[], None] = nothing
    on_resolve: Callable[[], None] = nothing
    on_close: Callable[[], None] = nothing
    shared: Callable[[], SharedState] = lambda: UNTOUCHED
    around: Callable[[], Surroundings] = Surroundings
    checks: Callable[[], list[Finding]] = lambda: [passed("deployments-available", "2 of 2")]
    own: float | None = None
    events: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    specs: list[ClusterSpec] = field(default_factory=list)
    evidence: list[EvidenceRequest] = field(default_factory=list)


class FakeProvider:
    """Has the methods of a Provider."""

    name = "kind"
    guest = False

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def create(self, spec: ClusterSpec) -> Cluster:
        self._stage.specs.append(spec)
        self._stage.events.append(f"create {spec.name}")
        (spec.folder / "create.log").write_text("said by kind\n")
        self._stage.on_create()
        if self._stage.api_answers_early and spec.early is not None:
            spec.early(
                Cluster(name="early", environment=spec.environment, kubeconfig=spec.folder, nodes=()), threading.Event()
            )
        return Cluster(
            name=spec.name,
            environment=spec.environment,
            kubeconfig=spec.folder / "kubeconfig",
            nodes=(f"{spec.name}-control-plane",),
            seconds={"create": 1.0, "ready": 0.5},
        )

    def delete(self, cluster_name: str) -> None:
        self._stage.events.append(f"delete {cluster_name}")
        self._stage.on_delete()

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self._stage.events.append(f"{node}: {' '.join(argv)}")
        return Completed(argv=(), returncode=1, stdout="", stderr=self._stage.on_node(), seconds=0.0)

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        raise NotImplementedError

    def shell_hint(self, cluster: Cluster) -> str:
        return f"docker exec -it {cluster.nodes[0]} bash"


class FakeSource:
    """Has the parts of a Source that a group uses."""

    kind = "foundry"

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.mirrors = stage.mirrors

    def resolve(self, reference: str) -> ImageRecord:
        self._stage.on_resolve()
        host = reference.split("/")[0]
        return ImageRecord(reference=reference, digest="sha256:" + "ab" * 32, registry=host, obtained="a test")

    def digests(self, reference: str) -> frozenset[str]:
        return frozenset({self.resolve(reference).digest})


class FakeNodeImages:
    """Has the methods of harness.run.node_images.NodeImages."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def image(self, environment: Environment) -> ImageRecord:
        self._stage.on_node_image()
        return ImageRecord(reference=f"node:{environment.kubernetes}", digest="sha256:1", registry="", obtained="built")

    def identity(self, environment: Environment, node: ImageRecord) -> str:
        return f"recipe of {environment.kubernetes}"

    def held(self, environment: Environment) -> tuple[str, ...]:
        return self._stage.held

    def helper(self, environment: Environment) -> str:
        return ""


class FakeCharts:
    """Has the methods of harness.run.release_charts.ReleaseCharts."""

    def find(self, release: Release, *, wanted: str = "") -> Chart:
        return Chart(
            path=CHART,
            reference="it",
            sha256="ab" * 32,
            metadata={},
            name="spark-operator",
            version=release.version,
            app_version=release.version,
            origin=ChartSource.FOUNDRY,
        )


class FakePreflight:
    """Has the methods of harness.run.preflight.Preflight that others call; every image can be had."""

    def absent(self) -> dict[str, str]:
        return {}

    def without_absent(self, cell: Cell) -> Cell:
        return cell


class FakeResources:
    """Has the methods of harness.run.resources.Resources; its ledger is real."""

    network = "soh-test"
    guest = None
    supply = None

    def leaks_in_cluster(self) -> list[str]:
        """It is no guest."""
        return []

    def __init__(self, stage: Stage, run_id: str = RUN_ID) -> None:
        self.run_id = run_id
        self.ledger: Ledger | None = None
        self.source = FakeSource(stage)
        self.node_images = FakeNodeImages(stage)
        self.charts = FakeCharts()
        self.preflight = FakePreflight()
        self._stage = stage

    def refusals(self, cells: Iterable[Cell]) -> dict[str, Finding]:
        self._stage.on_preflight(cell.id for cell in cells)
        return self._stage.refusals

    def node_cache(self) -> Mapping[str, str]:
        return {}

    def open(self) -> None:
        self._stage.events.append("open")
        self.ledger = Ledger.open(self.run_id, self._stage.folder / "ledger")

    def close(self, *, keep: bool = False) -> None:
        self._stage.events.append("close keeping" if keep else "close")
        if self.ledger is not None:
            self.ledger.close()
        self._stage.on_close()

    def scratch(self, name: str) -> Path:
        made = self._stage.folder / "scratch" / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    def release_registries(self) -> None:
        self._stage.events.append("registries released")

    def own_load(self, moment: float) -> float | None:
        return self._stage.own

    def login(self, host: str) -> None:
        return None

    def learn_volumes(self, containers: tuple[str, ...]) -> None:
        self._stage.events.append(f"volumes of {' '.join(containers)}")

    def registry_logs(self) -> Mapping[str, str]:
        return {}

    def pulls_left(self, image: str) -> PullsLeft | None:
        self._stage.events.append(f"pulls left of {image}")
        return PullsLeft(limit=100, remaining=0, window=21600)


def take_places(stage: Stage, patches: pytest.MonkeyPatch) -> None:
    """Put the stand-ins where a group looks for the real things."""

    def begin(cluster: Cluster, release: Release, **asked: Any) -> BegunInstall:
        stage.events.append(f"install {release.version} for {' '.join(asked['job_namespaces'])}")
        stage.on_install()
        installed = InstalledRelease(
            release=release,
            chart=asked["chart"],
            name=RELEASE_NAME,
            namespace=OPERATOR_NAMESPACE,
            job_namespaces=tuple(asked["job_namespaces"]),
            revision=1,
            values={},
            seconds={"helm": 2.0},
        )
        return BegunInstall(release=installed, before=frozenset())

    def finish(cluster: Cluster, begun: BegunInstall, deadline: Deadline) -> InstalledRelease:
        stage.on_ready()
        return replace(begun.release, seconds={**begun.release.seconds, "ready": 1.0})

    def collect(asked: EvidenceRequest) -> None:
        stage.evidence.append(asked)
        stage.on_collect()
        asked.folder.mkdir(parents=True, exist_ok=True)
        (asked.folder / "summary.md").write_text("# What is wrong\n")

    def checks(cluster: Cluster, installed: InstalledRelease, **_: Any) -> list[Finding]:
        return stage.checks()

    real = scenarios.discover()

    def discover() -> dict[str, Any]:
        known = {name: it.SCENARIO for name, it in real.items()}
        return {name: SimpleNamespace(SCENARIO=known.get(name), run=play) for name, play in stage.plays.items()}

    patches.setitem(PROVIDERS, "kind", lambda tools: FakeProvider(stage))
    patches.setattr(preparation, "begin", begin)
    patches.setattr(preparation, "finish", finish)
    patches.setattr(early_install, "undo", lambda cluster, **of: stage.events.append(f"undo {of['name']}"))
    patches.setattr(gathering, "collect", collect)
    patches.setattr(shared, "look", lambda cluster, namespace, also=(): stage.shared())
    patches.setattr(surroundings, "look", lambda cluster, namespaces: stage.around())
    patches.setattr(install_checks, "run", checks)
    patches.setattr(scenarios, "discover", discover)
    patches.setattr(
        provision,
        "create_namespaces",
        lambda cluster, names: stage.events.append(f"namespaces {len(names)}"),
    )


class Results:
    """Takes the results of cells, and complains when one comes twice."""

    def __init__(self) -> None:
        self.by_scenario: dict[str, CellResult] = {}
        self._lock = threading.Lock()

    def __call__(self, result: CellResult) -> None:
        with self._lock:
            if result.scenario in self.by_scenario:
                raise AssertionError(f"{result.id} was reported twice")
            self.by_scenario[result.scenario] = result

    @property
    def verdicts(self) -> dict[str, str]:
        return {name: str(result.verdict) for name, result in self.by_scenario.items()}


def raises(error: BaseException) -> Callable[..., Any]:
    """Something that raises this."""

    def act(*_: object) -> Any:
        raise error

    return act


def holds(context: ScenarioContext) -> list[Finding]:
    """A scenario in which everything holds."""
    if not context.folder.is_dir():
        raise HarnessError("a scenario needs its folder")
    return [passed("state", "COMPLETED")]
