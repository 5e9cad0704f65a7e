# SPDX-License-Identifier: Apache-2.0
"""A user's values reach both sides of an upgrade, and what does not fit is told before there is a cluster.

Helm is a stand-in here: whether it gets the values is the question; tests/integration/test_helm.py asks it itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from run_fakes import FakeResources, Results, Stage, attempt, holds, host, request, take_places
from test_change import CHART, INSTALLED
from test_rights import objects

from harness import process, waiting
from harness.errors import ReleaseError
from harness.kube.cluster import Cluster
from harness.matrix import catalogue, expand
from harness.releases import change, fitting, provision
from harness.releases.fitting import Fit, Given, Misfit
from harness.releases.on_path import ReleaseOnPath
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
        way_out=cast(Any, None),
        values=({"webhook": {"enable": True}}, MINE),
        seed=1,
    )
    wanted: list[change.Wanted] = []
    back: list[object] = []
    monkeypatch.setattr(change, "upgrade", lambda cluster, here, it, programs: wanted.append(it))
    monkeypatch.setattr(change, "rollback", lambda cluster, here, target, programs, way: back.append(target))

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


def run(stage: Stage, *files: str, exact: bool = False, **further: Any) -> Results:
    asked = request(stage.folder)
    asked = replace(
        asked,
        options=replace(asked.options, values=tuple(map(Path, files)), exact_values=exact),
        values=({"profile": True}, *({"mine": it, **further} for it in files)),
        users=tuple({"mine": it, **further} for it in files),
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

    def fit(helm: object, chart: object, given: Given) -> Misfit:
        asked.append((given.own[-1], given.users, given.job_namespaces, given.files))
        return Misfit(words="can't evaluate field replicas", next_step="correct them")

    monkeypatch.setattr(fitting, "fit", fit)
    result = run(stage, "mine.yaml", "more.yaml").by_scenario["spark-pi"]

    files = ["mine.yaml", "more.yaml"]
    assert asked == [
        ({"profile": True}, ({"mine": "mine.yaml"}, {"mine": "more.yaml"}), ["spark-pi", "operator-checks"], files)
    ]
    assert result.verdict is Verdict.ERROR
    assert "values of --values (mine.yaml, more.yaml) do not fit the chart of 2.5.2" in result.reason
    assert "next: correct them" in result.reason
    assert not stage.specs


def test_without_values_nothing_is_rendered(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *given: pytest.fail("it was asked"))
    assert run(stage).by_scenario["spark-pi"].verdict is Verdict.PASSED


def test_what_the_run_makes_for_values_is_said_and_is_in_each_report(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *given: Fit(told=("the run's node has the labels pool=system",)))
    monkeypatch.setattr(fitting, "unknown", lambda chart, values: ["mine"])
    result = run(stage, "mine.yaml").by_scenario["spark-pi"]

    (shown,) = [it for it in result.checks if it.name == "values-as-in-production"]
    for words in ("pool=system", "mine is not in the chart of 2.5.2"):
        assert words in shown.message
        assert any(words in line for line in stage.said)


def test_what_the_release_will_do_with_values_is_said_before_there_is_a_cluster(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered = tuple(objects("--ingress-url-format={{$appName}}.example.com"))
    monkeypatch.setattr(fitting, "fit", lambda *given: Fit(objects=rendered))
    monkeypatch.setattr(fitting, "unknown", lambda chart, values: [])
    result = run(stage, "mine.yaml").by_scenario["spark-pi"]

    (shown,) = [it for it in result.checks if it.name == "values-as-in-production"]
    words = "the controller of 2.5.2 needs to list and watch ingresses"
    assert words in shown.message
    said = [number for number, line in enumerate(stage.said) if words in line]
    made = [number for number, line in enumerate(stage.said) if "creating cluster" in line]
    assert said
    assert not made or said[0] < made[0]


def test_nodes_that_values_need_are_made(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "fit", lambda *given: Fit(nodes=({}, {})))
    monkeypatch.setattr(fitting, "unknown", lambda chart, values: [])
    monkeypatch.setattr(provision, "bring", lambda api, fit: stage.events.append(f"{len(fit.nodes)} nodes"))
    monkeypatch.setattr(Cluster, "api_client", lambda self: nullcontext())
    run(stage, "mine.yaml")

    assert [it.nodes for it in stage.specs] == [2]
    assert "2 nodes" in stage.events


@pytest.mark.parametrize(("files", "verdict"), [(("mine.yaml",), Verdict.ERROR), ((), Verdict.FAILED)])
def test_an_object_that_an_api_server_takes_for_wrong_may_be_as_the_values_have_it(
    files: tuple[str, ...], verdict: Verdict, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ReleaseError('helm upgrade failed: Deployment.apps "it" is invalid: spec.replicas: Invalid value: -1')

    monkeypatch.setattr(fitting, "fit", lambda *given: Fit())
    monkeypatch.setattr(fitting, "unknown", lambda chart, values: [])
    stage.on_install = refuse
    result = run(stage, *files).by_scenario["spark-pi"]

    assert result.verdict is verdict
    assert "spec.replicas: Invalid value: -1" in result.reason
    assert ("values of --values (mine.yaml)" in result.reason) is bool(files)


@pytest.mark.parametrize(("listed", "ends"), [(["spark-pi"], "operator-checks"), ([], "spark-pi, operator-checks")])
def test_exact_values_without_the_cells_namespaces_are_refused_before_a_cluster(
    listed: list[str], ends: str, stage: Stage
) -> None:
    result = run(stage, "mine.yaml", exact=True, spark={"jobNamespaces": listed}).by_scenario["spark-pi"]

    assert result.verdict is Verdict.ERROR
    assert f"creates no accounts and roles in {ends}" in result.reason
    assert not stage.specs
