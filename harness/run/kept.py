# SPDX-License-Identifier: Apache-2.0
"""Clusters that a run left up because it was asked to: what is written down of them, and how they are found again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.errors import HostError, UsageError
from harness.evidence.ledger import ledger_folder, stale_ledgers
from harness.evidence.ledger_entries import Entry
from harness.invocation import here
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.settings import Settings


@dataclass(frozen=True, kw_only=True)
class KeptCluster:
    """A cluster that was kept. `cells` maps the ids of its cells to their namespaces; `tools` a program to its path."""

    run_id: str
    kept: datetime
    cluster: Cluster
    release: str
    release_namespace: str
    cells: Mapping[str, str]
    tools: Mapping[str, Path]

    @property
    def remove(self) -> str:
        """The command that removes it."""
        return here(f"nox -s clean -- --run {self.run_id}")

    def age(self, now: datetime | None = None) -> timedelta:
        """How long ago it was kept."""
        return (now or datetime.now(UTC)) - self.kept


def kept_facts(
    cluster: Cluster,
    cells: Mapping[str, str],
    *,
    release: str,
    release_namespace: str,
    tools: Mapping[str, Path],
    now: datetime | None = None,
) -> dict[str, Any]:
    """What the ledger is told about a cluster that is kept."""
    return {
        "kept": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        "environment": cluster.environment.model_dump(mode="json"),
        "kubeconfig": str(cluster.kubeconfig),
        "nodes": list(cluster.nodes),
        "release": release,
        "release_namespace": release_namespace,
        "cells": dict(cells),
        "tools": {name: str(path) for name, path in tools.items()},
    }


def kept_clusters(settings: Settings) -> list[KeptCluster]:
    """The kept clusters of this cache, of all runs, the latest first."""
    found = [
        _of_entry(stale.owner.run_id, entry)
        for stale in stale_ledgers(ledger_folder(settings))
        if stale.owner.kept
        for entry in stale.entries
        if entry.kind == "cluster" and "kept" in entry.facts
    ]
    return sorted(found, key=lambda it: it.kept, reverse=True)


def find(settings: Settings, cell: str, run_id: str = "") -> KeptCluster:
    """The latest kept cluster of a cell, or that of a run. Raises UsageError that says what is kept."""
    known = kept_clusters(settings)
    for it in known:
        if cell in it.cells and run_id in ("", it.run_id):
            return it
    which = f"cell {cell}" + (f" of run {run_id}" if run_id else "")
    names = "; ".join(f"run {it.run_id}: {', '.join(it.cells)}" for it in known)
    raise UsageError(
        f"no cluster of {which} was kept",
        f"these were: {names}" if known else f"keep one: nox -s e2e -- --cell {cell} --keep",
    )


def _of_entry(run_id: str, entry: Entry) -> KeptCluster:
    facts = entry.facts
    try:
        return KeptCluster(
            run_id=run_id,
            kept=datetime.fromisoformat(facts["kept"]),
            cluster=Cluster(
                name=entry.name,
                environment=Environment.model_validate(facts["environment"]),
                kubeconfig=Path(facts["kubeconfig"]),
                nodes=tuple(facts["nodes"]),
            ),
            release=facts["release"],
            release_namespace=facts["release_namespace"],
            cells=dict(facts["cells"]),
            tools={name: Path(path) for name, path in facts["tools"].items()},
        )
    except (KeyError, ValueError) as wrong:
        raise HostError(
            f"the ledger of run {run_id} says of its kept cluster {entry.name} what this version cannot read: {wrong}",
            f"remove it: nox -s clean -- --run {run_id}",
        ) from wrong
