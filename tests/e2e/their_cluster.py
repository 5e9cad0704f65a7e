# SPDX-License-Identifier: Apache-2.0
"""A cluster that somebody has: a plain kind cluster whose nodes pull from mirrors, and an operator in it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import client
from mirrors import SETTINGS, Mirrors, serving
from runs import reachable

from harness.bootstrap import tools
from harness.errors import ApiError
from harness.evidence.ledger import new_run_id, short_run_id
from harness.existing import inventory
from harness.foundry import operator, shapes
from harness.foundry.store import Store
from harness.images.mirrors import MirrorMap
from harness.kube.api import connect, get, send
from harness.kube.cluster import Cluster
from harness.kube.well_known import CRDS_PATH
from harness.matrix import catalogue
from harness.matrix.release import Release
from harness.process import RUN_VARIABLE
from harness.providers import network
from harness.providers.base import ClusterSpec, ProviderTools
from harness.providers.kind import Kind
from harness.releases import charts
from harness.releases.helm import Helm
from harness.waiting import until

CATALOGUE = catalogue.load()
NAMESPACES = "/api/v1/namespaces"


@dataclass(frozen=True)
class Theirs:
    """A user's cluster. `config` is a harness.toml with the mirrors of its nodes."""

    cluster: Cluster
    config: Path
    helm: Path

    @property
    def kubeconfig(self) -> Path:
        """Who may do everything in it."""
        return self.cluster.kubeconfig

    @property
    def context(self) -> str:
        """The context of the kubeconfig, as kind calls it."""
        return f"kind-{self.cluster.name}"

    @property
    def network(self) -> str:
        """The network that its nodes are in."""
        return self.cluster.name

    @property
    def words(self) -> list[str]:
        """The options that name it."""
        return [
            *("--kubeconfig", str(self.kubeconfig), "--context", self.context),
            *("--config", str(self.config), "--source", "mirror"),
        ]

    def objects(self) -> inventory.Inventory:
        """All that is in it."""
        with connect(self.kubeconfig) as api:
            return inventory.take(api)

    def clean(self, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """`harness clean` of it."""
        where = ["--kubeconfig", str(kubeconfig or self.kubeconfig), "--context", self.context]
        environment = {key: it for key, it in os.environ.items() if key != RUN_VARIABLE}
        return subprocess.run(
            [sys.executable, "-m", "harness.cli", "clean", *where, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=300,
            env=environment,
        )


@contextmanager
def unchanged(theirs: Theirs) -> Iterator[None]:
    """Nothing has come, gone or changed when the block ends, but for what its end takes a moment to take away."""
    before = theirs.objects()
    yield
    until(
        lambda: inventory.compare(before, theirs.objects()).words,
        lambda found: not found,
        what="the cluster to be as it was",
        timeout=60,
    )


@contextmanager
def kind_cluster(folder: Path, mirrors: Mirrors, *, like: str = "kind-1.34") -> Iterator[Theirs]:
    """A kind cluster as anybody makes it, whose nodes have no images of the operator; `like` is an environment."""
    environment = CATALOGUE.environment(like)
    found = tools.ensure(SETTINGS, ["kind", "helm", "kubectl"], [environment.minor])
    kind = Kind(ProviderTools(programs={name: it.path for name, it in found.items()}))
    run_id = new_run_id()
    name = f"theirs-{short_run_id(run_id)}"
    network.create(name, run_id)
    try:
        cluster = kind.create(
            ClusterSpec(
                name=name,
                run_id=run_id,
                environment=environment,
                node_image=shapes.node_for(SETTINGS, environment).plain,
                network=name,
                mirrors=MirrorMap(mirrors={host: it.mirror("reader") for host, it in mirrors.fronts.items()}),
                folder=folder,
                nodes=environment.nodes,
            )
        )
        yield Theirs(cluster=cluster, config=mirrors.config(), helm=found["helm"].path)
    finally:
        kind.delete(name)
        network.remove(name)


@contextmanager
def their_mirrors(folder: Path, *releases: Release) -> Iterator[Mirrors]:
    """Mirrors that every container of this machine reaches, with the charts of these releases."""
    hosts = ("ghcr.io", "docker.io")
    with reachable("existing-mirrors") as address, serving(address, folder, releases[0], hosts=hosts) as made:
        helm = tools.ensure(SETTINGS, ["helm"])["helm"].path
        for release in releases:
            made.push_chart(helm, release)
        yield made


def delete(api: client.ApiClient, *paths: str) -> None:
    """Delete what is at these paths, if anything is, and wait until it is gone, so that no later look finds it."""

    def found(ask: Callable[[client.ApiClient, str], object], path: str) -> bool:
        try:
            ask(api, path)
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True

    deleted = [path for path in paths if found(lambda it, path: send(it, "DELETE", path), path)]
    for path in deleted:
        until(partial(found, get, path), lambda there: not there, what=f"{path} to be gone", timeout=90)


@contextmanager
def installed(
    theirs: Theirs, release: Release, name: str, home: str, values: Mapping[str, Any], *, helm: Path | None = None
) -> Iterator[None]:
    """An operator of the user's, made by Helm as release `name` in namespace `home`, for the namespace etl."""
    program = Helm(helm or theirs.helm, theirs.kubeconfig)
    with homes(theirs, home):
        try:
            program.install_or_upgrade(chart_of(release), name, home, values, timeout=180, wait=True)
            yield
        finally:
            program.uninstall(name, home, timeout=60)


@contextmanager
def homes(theirs: Theirs, home: str) -> Iterator[None]:
    """The namespaces of an operator and of its applications; they go at the end, and so do the CRDs."""
    with connect(theirs.kubeconfig) as api:
        paths = [f"{NAMESPACES}/{namespace}" for namespace in (home, "etl")]
        for namespace in (home, "etl"):
            send(api, "POST", NAMESPACES, {"metadata": {"name": namespace}})
        try:
            yield
        finally:
            delete(api, *paths, *(f"{CRDS_PATH}/{it}" for it in CATALOGUE.release("2.5.2").crds))


def chart_of(release: Release) -> charts.Chart:
    """The chart of a release, which the foundry built."""
    return charts.from_path(operator.chart(Store.of(SETTINGS), release.version))
