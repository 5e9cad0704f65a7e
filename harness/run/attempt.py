# SPDX-License-Identifier: Apache-2.0
"""Attempts at cells, what is known of the cluster that they share, and clusters that are left up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.checks.infrastructure import Diagnosis
from harness.matrix.model import Cell
from harness.registries.image_records import ImageRecord
from harness.releases.argocd.programs import Programs
from harness.report.model import RetryResult, attempt_name
from harness.stories.cluster import BareCluster
from harness.stories.protocol import OwnRegistries


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One cell, the n-th time. `retries` are tries of it that the host, not the product, brought to nothing.

    `beside` is what the other cells watch with which it is judged on one pass along a path, or was when its lock was
    written: it is part of what the cell ran with, and so stays with it when it is tried again alone.
    """

    cell: Cell
    number: int = 1
    beside: frozenset[str] = field(default=frozenset(), compare=False)
    retries: tuple[RetryResult, ...] = field(default=(), compare=False)

    @property
    def watched(self) -> frozenset[str]:
        """The applications that must run while its path is gone along; none of a path without moves."""
        return self.beside | set(self.cell.scenario.needs.applications) if self.cell.path.moves else frozenset()

    @property
    def name(self) -> str:
        """The cell's id; from the second attempt on with its number, `…/spark-pi#2`."""
        return attempt_name(self.cell.id, self.number)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A cluster that was left up, and how to use and remove it."""

    cluster: str
    kubeconfig: Path
    shell: str
    remove: str
    kubectl: Path
    look: str


@dataclass(kw_only=True)
class ClusterRecord:
    """What is known of a cluster so far: for the results of its cells, and for their evidence.

    `made` is None until it answers. `images` are those of its nodes, `phases` the seconds that all cells had in common,
    `waited` those in which nothing was done for them, since others had the processors; `diagnoses` are by the names of
    attempts. `told` is what the run made, or has otherwise, for the user's values. `argocd` are Argo CD's programs
    beside it, where its path asks for them.
    """

    made: BareCluster | None = None
    registries: OwnRegistries | None = None
    argocd: Programs | None = None
    images: list[ImageRecord] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    waited: float = 0.0
    diagnoses: dict[str, Diagnosis] = field(default_factory=dict)
    told: tuple[str, ...] = ()
