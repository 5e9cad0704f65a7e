# SPDX-License-Identifier: Apache-2.0
"""The scenario of a user's own applications: beside the others of an install, or along the path of the others."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.apps import said_before, users
from harness.apps.objects import APPLICATION, GROUP, RESOURCES
from harness.apps.places import AT_A_TIME, END_SECONDS, places
from harness.checks import expectation
from harness.errors import UsageError
from harness.matrix.model import Cell, ClusterNeeds, Scenario
from harness.stories.cluster import PreparedCluster
from harness.stories.foreseen import foreseen
from harness.stories.protocol import CellRun, Given, Play, RunContext, Story
from harness.verdicts import Finding, Verdict, worst

if TYPE_CHECKING:
    from harness.apps.users import UserManifests
    from harness.matrix.model import Known
    from harness.matrix.select import Selection

_SECONDS = 120.0
NAME = "user-apps"
"""The scenario that runs them; it exists only where there are some."""


def scenario(manifests: UserManifests) -> Scenario:
    """The scenario that runs these, with the images and CRDs that they need."""
    mine = users.applications(manifests)
    plurals = dict.fromkeys([APPLICATION.plural, *(it.plural for it in RESOURCES if it.kind in {m.kind for m in mine})])
    return Scenario(
        name=NAME,
        summary=f"the applications of --apps ({len(mine)})",
        timeout=_SECONDS + END_SECONDS * math.ceil(len(mine) / AT_A_TIME),
        images=tuple(dict.fromkeys(image for it in mine for image in it.images)),
        parts=tuple(dict.fromkeys(it.images for it in mine)),
        needs_crds=tuple(f"{plural}.{GROUP}" for plural in plurals),
        needs=ClusterNeeds(paths=("install", "upgrade", "rollback"), applications=(users.USERS,)),
        further_namespaces=tuple(it.namespace for it in places(manifests) if it.namespace != NAME),
    )


class UserApps(Story):
    """One scenario, which exists only where a user gave applications."""

    name = NAME
    brings = frozenset({users.USERS})

    def scenarios(self, given: Given) -> Iterable[Scenario]:
        """The one that runs them."""
        return [scenario(given.apps)] if given.apps else []

    def open(self, run: RunContext, cells: Sequence[Cell], cluster_name: str) -> AbstractContextManager[Play[Any]]:
        """It needs nothing before the cluster, and says what of the folder it does not run."""
        for line in _told(run.given):
            run.say(line)
        return nullcontext(_Play(run))

    def job_namespaces(self, cell: Cell) -> Iterable[str]:
        """On a path with moves with those of the other applications beside them."""
        from harness.stories.moves import path

        own = path.job_namespaces(cell) if cell.path.moves else [cell.scenario.namespace]
        return [*own, *cell.scenario.further_namespaces]

    def images(self, cell: Cell) -> Iterable[str]:
        """On a path with moves with that of the other applications beside them."""
        from harness.stories.moves import path

        return path.images(cell) if cell.path.moves else cell.scenario.images

    def doubtful_images(self, cell: Cell) -> Iterable[str]:
        """All of them: only the user knows where they are."""
        return cell.scenario.images

    def select(self, selection: Selection, given: Given) -> Selection:
        """Where nothing but --apps was given, it is their scenario.

        Raises UsageError for the scenario without any.
        """
        if given.apps:
            return replace(selection, scenarios=(NAME,)) if selection.is_default else selection
        asked = (*selection.scenarios, *(cell.rpartition("/")[2] for cell in selection.cells))
        if NAME in asked:
            raise UsageError(
                f"the scenario {NAME} runs your own applications, and none were given",
                "give the folder with their YAML files: --apps DIR",
            )
        return selection

    def require_use(self, cells: Sequence[Cell], given: Given) -> None:
        """Raise UsageError when there are applications, and no cell runs them."""
        if given.apps and all(cell.scenario.name != NAME for cell in cells):
            raise UsageError(
                f"none of the {len(cells)} chosen cells runs the applications of --apps",
                f"add --scenario {NAME}, or leave out --apps",
            )

    def brought(self, given: Given) -> UserManifests:
        """All of them."""
        return given.apps


class _Play(Play[PreparedCluster]):
    def __init__(self, run: RunContext) -> None:
        self._run = run

    def run(self, on: PreparedCluster, cells: Sequence[CellRun]) -> None:
        from harness.stories.installs.beside import Act, run_beside
        from harness.stories.moves import path
        from harness.stories.user_apps import on_install, on_path

        if on.path.moves:
            left_out = self._run.given.left_out
            path.run_together(self._run, on, cells, lambda observed, _: on_path.judge(observed, left_out))
        else:
            given = self._run.given

            def act_of(cell: Cell) -> Act:
                tell = partial(self._tell, foreseen(self._run, on, cell))
                return partial(on_install.run, apps=given.apps, left_out=given.left_out, tell=tell)

            run_beside(self._run, on, cells, act_of)

    def _tell(self, known: Sequence[Known], which: str, found: Sequence[Finding]) -> None:
        """Say what one application came to, in view of what was foreseen."""
        judged = [expectation.as_known(it, known, NAME) for it in found]
        why = next((it.message for it in judged if it.verdict is not Verdict.PASSED), "")
        said = f"{judged[0].check}: {worst(judged)} ({which})"
        self._run.say(": ".join(filter(None, (said, why.partition("\n")[0]))))


def _told(given: Given) -> Iterator[str]:
    """What is left out of the folder, and out of its applications, before anything runs."""
    yield from (f"--apps: {it}" for it in given.left_out)
    for place in places(given.apps):
        for it in place.applications:
            yield from (f"--apps: {it.where}: {it.kind} {it.name} {said}" for said in said_before.lines(place, it))


STORY = UserApps()
