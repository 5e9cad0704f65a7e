# SPDX-License-Identifier: Apache-2.0
"""Argo CD for the clusters of a run whose path asks for it: built when it is not there, begun, and removed again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from harness.errors import BuildError, CommandError, ToolError, UnavailableError
from harness.evidence.ledger import Ledger
from harness.foundry import argocd
from harness.foundry.store import Store
from harness.kube.cluster import Cluster
from harness.releases.argocd import beside
from harness.releases.argocd.programs import ArgoCdImage, Programs
from harness.releases.charts import Chart
from harness.run.resources import Resources
from harness.settings import Settings

_BUILDING = threading.Lock()


def image(settings: Settings, say: Callable[[str], None]) -> ArgoCdImage:
    """What Argo CD is started from. Raises UnavailableError where it cannot be built."""
    store = Store.of(settings)
    with _BUILDING:
        if store.get(argocd.recipe()) is None:
            say(f"building Argo CD {argocd.row().version}; this takes about five minutes, once")
        try:
            artifact = argocd.build(store)
        except (BuildError, CommandError, ToolError) as error:
            raise UnavailableError(f"Argo CD cannot be had: {error.message}", error.next_step) from error
    return ArgoCdImage(
        reference=argocd.reference(),
        version=argocd.row().version,
        manifests=tuple(sorted((artifact.folder / argocd.MANIFESTS).iterdir())),
    )


def begin(cluster: Cluster, made_from: ArgoCdImage, charts: Sequence[Chart], of: Resources) -> Programs:
    """Argo CD beside a cluster, with these charts to offer. Raises ApiError, WaitTimeout, EngineError."""

    def announce(name: str) -> None:
        if of.ledger is not None:
            of.ledger.planned("container", name)

    programs = Programs(cluster, made_from, run_id=of.run_id, network=of.network, announce=announce)
    beside.begin(cluster, programs, charts)
    return programs


def end(programs: Programs, ledger: Ledger | None) -> None:
    """Remove them. Raises EngineError."""
    for name in programs.stop():
        if ledger is not None:
            ledger.gone("container", name)
