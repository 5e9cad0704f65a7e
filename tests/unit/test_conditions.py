# SPDX-License-Identifier: Apache-2.0
"""Known breaks that rest on values: predicted where the values of a run, the chart's own included, bring them about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import semver
from run_fakes import UNTOUCHED, FakeCharts, FakeResources, Results, Stage, attempt, host, raises, request, take_places

from harness import process, waiting
from harness.advice.remarks import End
from harness.advice.values import remarks
from harness.errors import ReleaseError
from harness.matrix import catalogue, chart_facts, edges, expand, known_rows
from harness.matrix.breaks import listing
from harness.matrix.model import Known
from harness.releases import applying, conditions, fitting
from harness.releases.charts import Chart
from harness.releases.conditions import holds, in_force
from harness.releases.fitting import Fit
from harness.releases.on_path import ReleaseOnPath
from harness.run.group import Group
from harness.toml_source import TomlSource
from harness.verdicts import failed, passed

CATALOGUE = catalogue.load()
ROW = """\
[[known]]
kinds = ["install", "upgrade"]
to = [">=2.5.1"]
when = { "controller.uiIngress.enable" = true, "controller.uiIngress.urlFormat" = "?*" }
scenario = "spark-pi"
check = "state"
says = "SUBMITTED"
why = "the Role lacks list and watch"
link = "https://example.com/1"
way_out = "leave uiIngress off"
basis = "run"
"""
ON = {"controller": {"uiIngress": {"enable": True, "urlFormat": "{{$appName}}.example.com"}}}
OFF: dict[str, Any] = {"controller": {"uiIngress": {"enable": False, "urlFormat": "{{$appName}}.example.com"}}}


@pytest.fixture(scope="module")
def upgrades() -> edges.Upgrades:
    return edges.read(TomlSource(file=Path("upgrades.toml"), text=ROW), CATALOGUE.release)


ENABLED: dict[str, Any] = {"controller": {"uiIngress": {"enable": True}}}
HELM = Path("helm")
"""Not asked where no row is about Helm 3 or 4."""


def on_path(folder: Path, own: str = "") -> Mapping[str, ReleaseOnPath]:
    """2.5.2 with a chart of these values."""
    folder.mkdir(exist_ok=True)
    (folder / "values.yaml").write_text(own or "controller: {uiIngress: {enable: false, urlFormat: ''}}\n")
    found = CATALOGUE.release("2.5.2")
    chart = replace(FakeCharts().find(found), path=folder)
    return {"2.5.2": ReleaseOnPath(release=found, chart=chart, values={})}


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ({}, True),
        ({"a.b": True}, True),
        ({"a.b": False}, False),
        ({"a.c": 1}, True),
        ({"a.c": True}, False),
        ({"a.d": "x*"}, True),
        ({"a.d": "y*"}, False),
        ({"a.empty": known_rows.ANYTHING}, False),
        ({"a.gone": known_rows.ANYTHING}, False),
        ({"a.b": True, "a.c": 2}, False),
    ],
)
def test_a_condition_is_about_keys_and_their_values(when: dict[str, bool | int | str], expected: bool) -> None:
    assert holds(when, {"a": {"b": True, "c": 1, "d": "xy", "empty": ""}}) is expected


def test_the_charts_own_values_count_and_the_users_go_over_them(upgrades: edges.Upgrades, tmp_path: Path) -> None:
    known = upgrades.of_install("2.5.2")
    chart_is_on = "controller: {uiIngress: {enable: true, urlFormat: x.example.com}}\n"

    assert not list(in_force(known, on_path(tmp_path / "off"), (), helm=HELM))
    assert not list(
        in_force(known, on_path(tmp_path / "off"), ({"controller": {"uiIngress": {"enable": True}}},), helm=HELM)
    )
    assert list(in_force(known, on_path(tmp_path / "off"), (ON,), helm=HELM))
    assert list(in_force(known, on_path(tmp_path / "on", chart_is_on), (), helm=HELM))
    assert not list(in_force(known, on_path(tmp_path / "on", chart_is_on), (OFF,), helm=HELM))


def test_what_was_prepared_in_the_cluster_may_be_the_way_out(upgrades: edges.Upgrades, tmp_path: Path) -> None:
    known = upgrades.of_install("2.5.2")
    (bound,) = in_force(known, on_path(tmp_path / "chart"), (ON,), helm=HELM)
    (loose,) = in_force(known, on_path(tmp_path / "chart"), (ON,), prepared=True, helm=HELM)
    assert (bound.strikes, loose.strikes) == ("always", "sometimes")


def test_installs_and_moves_know_it_and_other_releases_do_not(upgrades: edges.Upgrades) -> None:
    assert [it.release for it in upgrades.of_install("2.5.2")] == ["2.5.2"]
    assert not upgrades.of_install("2.5.0")
    path = upgrades.path("upgrade", ("2.4.0", "2.5.0", "2.5.2"), "apply", "default")
    assert [(it.move, it.release) for it in path.known] == [("2.5.0 → 2.5.2", "2.5.2")]
    mine = replace(CATALOGUE, upgrades=upgrades)
    assert expand.find_path(mine, "install-2.5.2").known == upgrades.of_install("2.5.2")
    assert not expand.find_path(mine, "install-2.5.0").known


def test_the_list_of_the_documents_has_the_condition(upgrades: edges.Upgrades) -> None:
    wanted = (
        "- any → `>=2.5.1`, install or upgrade, with `controller.uiIngress.enable=true` and "
        "`controller.uiIngress.urlFormat` ("
    )
    assert wanted in listing(upgrades)


@pytest.mark.parametrize(("values", "said"), [(ON, True), (OFF, False), ({}, False)])
def test_advice_tells_it_for_values_that_bring_it_about(
    upgrades: edges.Upgrades, values: dict[str, Any], said: bool
) -> None:
    origin, target = End(name="2.4.0"), End(name="2.5.2", release=CATALOGUE.release("2.5.2"))
    steps = [it.step for it in remarks(values, origin, target, upgrades)]
    assert ("leave uiIngress off" in steps) is said


def test_the_conditions_of_the_catalogue_are_about_keys_that_charts_have() -> None:
    keys = {key for row in chart_facts.values_rows() for key in row.keys}
    asked = {key for row in CATALOGUE.upgrades.known for key in row.when}
    assert asked <= keys


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path)
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    monkeypatch.setattr(fitting, "fit", lambda *given: Fit())
    yield made
    waiting.reset_cancellation()


def verdict(stage: Stage, known: tuple[Known, ...], values: dict[str, Any]) -> str:
    """What a cell gets on an install with these values, with a chart that has the switch off."""

    class Charts(FakeCharts):
        def find(self, *of: Any, **more: Any) -> Chart:
            return on_path(stage.folder / "chart")["2.5.2"].chart

    asked = replace(request(stage.folder), values=(values,), users=(values,))
    results, resources = Results(), FakeResources(stage)
    resources.charts = Charts()
    resources.open()
    it = attempt("spark-pi")
    cell = it.cell.model_copy(update={"path": it.cell.path.model_copy(update={"known": known})})
    Group(
        "kind-1.34/install-2.5.2",
        [replace(it, cell=cell)],
        cluster_name="soh-101500-ab12-1",
        asked=asked,
        host=host(),
        resources=resources,  # type: ignore[arg-type]
        evidence_folder=lambda it: stage.folder / "reports" / it.name,
        done=results,
        say=stage.said.append,
    ).run()
    resources.close()
    return results.verdicts["spark-pi"]


def test_an_install_that_breaks_as_its_values_make_it_is_broken_as_known(
    stage: Stage, upgrades: edges.Upgrades
) -> None:
    known = upgrades.of_install("2.5.2")
    stage.plays["spark-pi"] = lambda context: [failed("state", "is SUBMITTED after 300 s")]
    assert verdict(stage, known, ON) == "broken-as-known"
    assert verdict(stage, known, OFF) == "failed"


def test_an_install_that_does_not_get_to_its_end_as_foretold_is_broken_as_known(
    stage: Stage, upgrades: edges.Upgrades
) -> None:
    foretold = {"scenario": "*", "check": "release-installed", "says": "violates PodSecurity"}
    known = tuple(it.model_copy(update=foretold) for it in upgrades.of_install("2.5.2"))
    stage.plays["spark-pi"] = lambda context: [passed("state", "COMPLETED")]
    assert verdict(stage, known, ON) == "failed", "it held, against the prediction"

    stage.on_install = raises(ReleaseError("the hook's pod violates PodSecurity"))
    assert verdict(stage, known, ON) == "broken-as-known"
    assert verdict(stage, known, OFF) == "failed"
    stage.on_install = raises(ReleaseError("something else"))
    assert verdict(stage, known, ON) == "failed"


@pytest.mark.parametrize(("environment", "foretold"), [("kind-1.34-restricted", True), ("kind-1.34", False)])
def test_the_hook_is_foretold_to_be_rejected_where_pods_are_restricted(environment: str, foretold: bool) -> None:
    known = attempt("spark-pi", environment).cell.path.known
    rows = [it for it in known if it.when == {"hook.upgradeCrd": True}]
    assert bool(rows) is foretold
    helm = "helm upgrade failed: failed pre-install: 1 error occurred: * timed out waiting for the condition"
    refused = (
        'the Job spark-operator-hook of a hook cannot create its pod: pods "spark-operator-hook-x" is forbidden: '
        'violates PodSecurity "restricted:latest": runAsNonRoot != true; the wait for it was ended after 12 of 300 s'
    )
    assert all(re.search(it.says, said) for it in rows for said in (helm, refused, f"{refused}; {helm}"))


def test_an_install_that_holds_against_the_prediction_is_a_failure(stage: Stage, upgrades: edges.Upgrades) -> None:
    known = upgrades.of_install("2.5.2")
    stage.plays["spark-pi"] = lambda context: [passed("state", "COMPLETED")]
    assert verdict(stage, known, ON) == "failed"
    assert verdict(stage, known, OFF) == "passed"
    prepared = (applying.Applied(name="Role mine", path="/apis/…", uid="1"),)
    stage.shared = lambda: replace(UNTOUCHED, also=prepared)
    assert verdict(stage, known, ON) == "passed"


@pytest.mark.parametrize(("version", "struck"), [("3.22.0", False), ("4.3.1", True)])
def test_what_only_one_helm_does_is_in_force_where_the_host_has_that_one(
    version: str, struck: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Known(scenario="x", check="x", says=".", why="x", link="x", way_out="x", ways=("helm4",))
    monkeypatch.setattr(conditions, "version_of", lambda binary: semver.Version.parse(version))
    assert bool(list(in_force([known], {}, (), helm=HELM))) is struck
