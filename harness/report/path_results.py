# SPDX-License-Identifier: Apache-2.0
"""The latest results of each path between two releases, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harness.matrix import path_names
from harness.matrix.crd_modes import IN_WORDS, ON_PURPOSE
from harness.matrix.model import CrdMode
from harness.report.model import CellResult, RunResult
from harness.verdicts import Verdict

WATCHED = ("admission", "operator-health", "running-apps", "schedules", "submissions")
"""The scenarios that must have a result before anything is called safe."""

OWN = "user-apps"
"""The scenario of the user's own applications (--apps); it counts where it ran."""

LOOKED = frozenset({Verdict.PASSED, Verdict.BROKEN_AS_KNOWN, Verdict.FAILED})
"""Verdicts that say something about the product."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """A run and the folder of its report."""

    folder: str
    run: RunResult


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The latest result of a cell and its report."""

    cell: CellResult
    report: Report

    @property
    def where(self) -> str:
        """Environment, run and date."""
        return f"{self.cell.environment}, run {self.report.run.run_id}, {self.report.run.started:%Y-%m-%d}"


class State(StrEnum):
    """The outcome of a path in an environment, from best to worst; UNSEEN: not everything was tested."""

    CLEAN = "clean"
    RACE = "race"
    BROKEN = "broken"
    UNSEEN = "unseen"


@dataclass(frozen=True, kw_only=True)
class PathResult:
    """One path in one environment: its latest results by scenario. `ways` is what its name says after `~`."""

    environment: str
    path: str
    crds: CrdMode
    values: str
    seen: Mapping[str, Seen]
    ways: str = ""

    @property
    def usual(self) -> bool:
        """Whether it is made as most people make it: with their values alone, in the usual way."""
        return self.values == "default" and not self.ways

    @property
    def state(self) -> State:
        """The outcome over all of its scenarios."""
        found = {name: it.cell for name, it in self.watched.items()}
        if any(_breaks_always(cell) for cell in found.values()):
            return State.BROKEN
        looked = {name for name, cell in found.items() if cell.verdict in LOOKED}
        if not looked >= set(WATCHED):
            return State.UNSEEN
        return State.RACE if any(it.verdict is Verdict.BROKEN_AS_KNOWN for it in found.values()) else State.CLEAN

    @property
    def any(self) -> Seen:
        """Any one of its results, for where and when it ran."""
        return next(iter(self.seen.values()))

    @property
    def watched(self) -> dict[str, Seen]:
        """Its results without injected failures."""
        return {name: it for name, it in self.seen.items() if not name.startswith(ON_PURPOSE)}


def path_results(reports: Sequence[Report], kind: str, releases: tuple[str, ...]) -> list[PathResult]:
    """Each path of these releases in each environment, with its latest results; those without CRD changes first."""
    latest: dict[tuple[str, str], dict[str, Seen]] = {}
    for report in reports:
        here: dict[tuple[str, str, str], CellResult] = {}
        for cell in report.run.cells:
            key = (cell.environment, cell.path, cell.scenario)
            # Of several attempts the worst counts: one that failed was not proved safe by another.
            if key not in here or cell.verdict.severity > here[key].verdict.severity:
                here[key] = cell
        for (environment, path, scenario), cell in here.items():
            parsed = path_names.parse(path)
            if parsed and parsed.kind == kind and parsed.releases == releases:
                latest.setdefault((environment, path), {}).setdefault(scenario, Seen(cell=cell, report=report))
    order = list(IN_WORDS)
    found = []
    for (environment, path), seen in latest.items():
        parsed = path_names.parse(path)
        crds: CrdMode = (parsed.crds if parsed else "") or "none"  # type: ignore[assignment]
        profile = f"of the profile {parsed.profile}" if parsed and parsed.profile else ""
        values = " ".join(filter(None, (parsed.values if parsed else "", profile))) or "default"
        ways = parsed.ways if parsed else ""
        found.append(
            PathResult(
                environment=environment,
                path=path,
                crds=crds,
                values=values,
                ways=ways,
                seen=dict(sorted(seen.items())),
            )
        )
    return sorted(found, key=lambda result: (order.index(result.crds), result.environment))


def _breaks_always(cell: CellResult) -> bool:
    return cell.verdict is Verdict.FAILED or any(
        check.verdict is Verdict.BROKEN_AS_KNOWN and check.evidence.get("strikes") != "sometimes"
        for check in cell.checks
    )
