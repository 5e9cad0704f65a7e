# SPDX-License-Identifier: Apache-2.0
"""The plan of a rehearsal: from a snapshot to what a run is asked for, with all that is otherwise than at the site."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.advice import site as sites
from harness.advice.site import Reading
from harness.apps.samples import chart_values
from harness.errors import UsageError
from harness.matrix import expand, path_names
from harness.matrix.catalogue import Catalogue
from harness.matrix.imported import NOTHING, Imported
from harness.matrix.select import Selection
from harness.matrix.versions import numbers
from harness.options import RunOptions
from harness.rehearsal import ends, surroundings, values
from harness.rehearsal.applications import Rehearsed, rehearsed
from harness.rehearsal.stand_ins import Means
from harness.releases.namespaces import CHECK_NAMESPACE
from harness.report.model import RehearsedMove
from harness.report.path_results import OWN, WATCHED
from harness.upgrades.user_apps import NAMESPACES

PLAIN, STEPS, BACK = "the plain move", "the move with its steps", "the move and the way back"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a rehearsal is asked for. `source` is where images come from, `has` says whether it has one.

    `room` is how many applications this machine has room for, zero where that is not known.
    """

    reading: Reading
    target: str
    applications: int
    source: str
    has: Callable[[str], bool]
    origin: str = ""
    imported: Imported = NOTHING
    room: int = 0


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A rehearsal: what is written, what is run, and `otherwise`, in words.

    `before` are manifests by namespace, `values` the release's, `moves` the paths, each with what it is.
    """

    reading: Reading
    environment: str
    kubernetes: str
    origin: str
    target: str
    moves: tuple[RehearsedMove, ...]
    values: Mapping[str, Any]
    before: Mapping[str, Sequence[Mapping[str, Any]]]
    applications: Rehearsed
    release: str = ""
    namespace: str = ""
    otherwise: tuple[str, ...] = ()

    def options(self, given: RunOptions, folder: Path) -> RunOptions:
        """What the run is asked for, with what was written to this folder; `given` are the user's own options."""
        scenarios = (*WATCHED, *([OWN] if self.applications.objects else []))
        return replace(
            given,
            selection=Selection(
                environments=(self.environment,), paths=tuple(it.path for it in self.moves), scenarios=scenarios
            ),
            values=(folder / "values.yaml",) if self.values else (),
            release_name=self.release or None,
            namespace=self.namespace or None,
            before=folder / "before" if self.before else None,
            apps=folder / "apps" if self.applications.objects else None,
        )


def plan(asked: Asked, catalogue: Catalogue) -> Plan:
    """The plan. Raises UsageError for a snapshot that cannot be used, UnavailableError for what cannot be had here."""
    reading = asked.reading
    there = _installed(reading, catalogue, asked.origin)
    origin = asked.origin or there
    for option, name in (("--from", origin), ("--to", asked.target)):
        ends.require_release(catalogue, option, name, asked.source, asked.imported)
    if numbers(origin) >= numbers(asked.target):
        raise UsageError(
            f"--to {asked.target} is not newer than {origin}, which the site has",
            "give a newer release; the way back is part of every rehearsal",
        )
    near = ends.nearest(catalogue, reading.site.cluster, asked.source)
    given = values.of(reading, catalogue.release(origin), catalogue)
    home = sites.deployment(reading, None).home if reading.site.operators or reading.release else ""
    before = surroundings.manifests(reading.site, home or "spark-operator", given.values)
    away = [*NAMESPACES, CHECK_NAMESPACE, home or "spark-operator"]
    means = Means(has=asked.has, spark=chart_values().spark)
    crds = catalogue.release(origin).crds
    played = rehearsed(reading.path, reading.site, means, asked.applications, away=away, crds=crds)
    moves = _moves(catalogue, origin, asked.target, pinned=given.pinned)
    return Plan(
        reading=reading,
        environment=near.environment.name,
        kubernetes=near.environment.kubernetes_from(asked.source),
        origin=origin,
        target=asked.target,
        moves=moves,
        values=given.values,
        before=before,
        applications=played,
        release=reading.release.name if reading.release else "",
        namespace=home,
        otherwise=(
            *([f"{origin} in the place of {there}, which the site has"] if origin != there else []),
            *near.told,
            *_tool(reading),
            *given.told,
            *surroundings.told(reading.site),
            *_surrounded(before),
            *_missing(reading),
            *_crowded(asked.room, sum(played.counts.values())),
            *played.told,
        ),
    )


def _installed(reading: Reading, catalogue: Catalogue, otherwise: str) -> str:
    """The release that the site has; where the snapshot does not say it, the one that was asked for."""
    try:
        return sites.origin(reading, catalogue)
    except UsageError:
        if not otherwise:
            raise
        return otherwise


def _moves(catalogue: Catalogue, origin: str, target: str, *, pinned: bool) -> tuple[RehearsedMove, ...]:
    """The plain move as the site would make it, the one with the steps that are known to help, and the way back."""
    plain = path_names.name_of("upgrade", (origin, target), "none", "pinned-registry" if pinned else "default")
    steps = path_names.name_of("upgrade", (origin, target), "apply", "default")
    back = path_names.name_of("rollback", (origin, target), "apply", "default")
    named = ((plain, PLAIN), (steps, STEPS), (back, BACK))
    return tuple(RehearsedMove(path=expand.find_path(catalogue, path).name, what=what) for path, what in named)


def _crowded(room: int, chosen: int) -> list[str]:
    if not 0 < room < chosen:
        return []
    why = "those that find none in time look as if the move had held them up"
    return [f"{chosen} applications at a time, and this machine has room for {room}: {why}"]


def _tool(reading: Reading) -> list[str]:
    tool = sites.deployment(reading, None).tool
    return [] if tool == "helm" else [f"Helm makes the moves here, in the place of {tool}"]


def _surrounded(before: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    empty = surroundings.stand_ins(before)
    return [f"empty ones stand in for what the snapshot does not have: {', '.join(empty)}"] if empty else []


def _missing(reading: Reading) -> list[str]:
    """Namespaces that the site lacks and a run makes, and what the snapshot does not have."""
    gone = [it.name for it in reading.site.namespaces if not it.exists]
    told = [f"the namespaces {', '.join(gone)} are made here, and do not exist at the site"] if gone else []
    told += sites.values_elsewhere(reading)
    if reading.release is None and reading.installer is None:
        told.append("the values of the site are not known: those of the chart are taken")
    return [*told, *(f"not in the snapshot: {it.what}: {it.why}" for it in reading.site.unread)]
