# SPDX-License-Identifier: Apache-2.0
"""Two scenarios that share a cluster on upgrade paths, with registries of their own and applications of their own."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from harness.images.mirrors import Mirror, MirrorMap
from harness.kube.interruptions import findings_of
from harness.matrix.model import Cell, ClusterNeeds, Scenario
from harness.stories.cluster import PreparedCluster
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story
from harness.verdicts import Finding, failed, passed

_NEEDS = ClusterNeeds(paths=("upgrade",), cluster="sixth", nodes=3, applications=("sixth-things",), places=3)


class Sixth(Story):
    """`sixth-holds` passes and `sixth-breaks` fails."""

    name = "sixth"
    breaks_things = True

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """Both."""
        return [
            Scenario(name=f"sixth-{what}", summary=what, timeout=30.0, images=("docker.io/me/x:1",), needs=_NEEDS)
            for what in ("holds", "breaks")
        ]

    @contextmanager
    def _opened(self, run: RunContext) -> Iterator[Play[PreparedCluster]]:
        run.say("the sixth is opened")
        yield SixthPlay(run)
        run.say("the sixth is closed")

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """Says when."""
        return self._opened(run)

    def job_namespaces(self, cell: Cell) -> Iterable[str]:
        """One more for both."""
        return [cell.scenario.namespace, "sixth-shared"]


class SixthRegistries:
    """Stand for ghcr.io."""

    secrets = ("s3cr3t",)

    def mirrors(self, others: MirrorMap) -> MirrorMap:
        """Where they would be."""
        return MirrorMap(mirrors={**others.mirrors, "ghcr.io": Mirror(url="https://sixth.example")})


class SixthPlay(Play[PreparedCluster]):
    """Runs one after the other."""

    def __init__(self, run: RunContext) -> None:
        self.registries = SixthRegistries()
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        """Report each, with the release that it found."""
        for it in cells:
            started = time.monotonic()
            with self._run.place():
                found = findings_of(it.cell.scenario.name, lambda: self._findings(on, it))  # noqa: B023
            it.report(found, {"scenario": time.monotonic() - started})

    def _findings(self, on: PreparedCluster, it: CellRun) -> list[Finding]:
        words = f"{on.installed.release.name} of {', '.join(on.releases)}, with {', '.join(on.applications)}"
        make = passed if it.cell.scenario.name == "sixth-holds" else failed
        return [make("sixth-claim", words)]


STORY = Sixth()
