# SPDX-License-Identifier: Apache-2.0
"""A user's values reach both sides of an upgrade, and what does not fit is told before there is a cluster.

Helm is a stand-in here: whether it gets the values is the question; tests/integration/test_helm.py asks it itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from run_fakes import FakeResources, Results, Stage, attempt, holds, host, request, take_places
from test_change import CHART, INSTALLED

from harness import process, waiting
from harness.matrix import catalogue, expand
from harness.releases import change
from harness.releases.fitting import Misfit
from harness.releases.on_path import ReleaseOnPath
from harness.run import preparation
from harness.run.group import Group
from harness.upgrades.path_run import PathRun
from harness.verdicts import Verdict

CATALOGUE = catalogue.load()
MINE = {"controller": {"replicas": 2}}


@pytest.mark.parametrize("name", ["upgrade-2.2.1@docker.io-2.3.0-2.5.2+crds=apply", "rollback-2.5.2-2.4.0+crds=apply"])
def test_each_upgrade_of_a_path_gets_them_and_a_rollback_what_was_there(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = expand.find_path(CATALOGUE, name)
    own = {"image": {"registry": "docker.io"}}
    releases = {it: ReleaseOnPath(release=CATALOGUE.release(it), chart=CHART, values=own) for it in path.releases}
    path_run = PathRun(
        cluster=cast(Any, None),
        path=path,
        releases=releases,
        installed=INSTALLED,
        programs=cast(Any, None),
        applications=cast(Any, None),
        prober=cast(Any, None),
        reinstall=cast(Any, None),
        values=({"webhook": {"enable": True}}, MINE),
        seed=1,
    )
    wanted: list[change.Wanted] = []
    back: list[object] = []
    monkeypatch.setattr(change, "upgrade", lambda cluster, here, it, programs: wanted.append(it))
    monkeypatch.setattr(change, "rollback", lambda cluster, here, target, programs: back.append(target))

    for move in path.moves:
        path_run._change(INSTALLED, {move.target: INSTALLED}, move)

    upgrades = [it for it in path.moves if it.kind == "upgrade"]
    assert [it.release.name for it in wanted] == [it.target for it in upgrades]
    for it in wanted:
        values = change.values_of(INSTALLED, it)
        assert (values["controller"], values["webhook"]) == ({"replicas": 2}, {"enable": True})
        assert values["image"]["registry"] == "docker.io"
    assert back == [INSTALLED] * (len(path.moves) - len(upgrades)), "Helm goes back to the revision with its values"


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    yield made
    waiting.reset_cancellation()


def run(stage: Stage, *files: str) -> Results:
    asked = request(stage.folder)
    asked = replace(
        asked,
        options=replace(asked.options, values=tuple(map(Path, files))),
        values=({"profile": True}, *({"mine": it} for it in files)),
    )
    results, resources = Results(), FakeResources(stage)
    resources.open()
    group = Group(
        "kind-1.34/install-2.5.2",
        [attempt("spark-pi")],
        cluster_name="soh-101500-ab12-1",
        asked=asked,
        host=host(),
        resources=resources,  # type: ignore[arg-type]
        evidence_folder=lambda it: stage.folder / "reports" / it.name,
        done=results,
        say=stage.said.append,
    )
    group.run()
    resources.close()
    return results


def test_values_that_do_not_fit_are_the_users_error_and_no_cluster_is_made(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def misfit(
        helm: object, chart: object, name: str, namespace: str, own: Any, users: Any, names: Any, *, files: Any
    ) -> Misfit:
        asked.append((own[-1], users, names, files))
        return Misfit(words="can't evaluate field replicas", next_step="correct them")

    monkeypatch.setattr(preparation, "misfit", misfit)
    result = run(stage, "mine.yaml", "more.yaml").by_scenario["spark-pi"]

    files = ["mine.yaml", "more.yaml"]
    assert asked == [({"profile": True}, ({"mine": "mine.yaml"}, {"mine": "more.yaml"}), ["spark-pi"], files)]
    assert result.verdict is Verdict.ERROR
    assert "values of --values (mine.yaml, more.yaml) do not fit the chart of 2.5.2" in result.reason
    assert "next: correct them" in result.reason
    assert not stage.specs


def test_without_values_nothing_is_rendered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "misfit", lambda *given: pytest.fail("it was asked"))
    assert run(stage).by_scenario["spark-pi"].verdict is Verdict.PASSED
