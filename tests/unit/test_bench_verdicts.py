# SPDX-License-Identifier: Apache-2.0
"""Verdicts on trial: the rows, what becomes of them, and the proof that a row was undone. Planting needs a cluster."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_api_server import api_server
from rich.console import Console

from harness.apps.context import ScenarioContext
from harness.bench import state, verdicts
from harness.bench.__main__ import main
from harness.bench.site import Site
from harness.bench.verdicts import catalogue, outcome, planting
from harness.bench.verdicts.acts import ACTS
from harness.bench.verdicts.catalogue import Fault, Harmless, Step
from harness.bench.verdicts.outcome import Fate, Result, VerdictsOutcome, table
from harness.errors import CatalogueError, HarnessError, UsageError, WaitTimeout
from harness.kube.models import Container, Pod
from harness.stories.installs import scenarios
from harness.verdicts import Finding, Verdict, errored, failed, passed, unavailable
from harness.waiting import Deadline

ROWS = catalogue.load()
STEP = Step(do="node", run="true")
FAULT = Fault(name="a-fault", what="it breaks", step=(STEP,), check="one-leader", says="held by [a-z]+")
HARMLESS = Harmless(name="a-change", what="it changes", step=(STEP,))
FINE = passed("logs-clean", "no trouble")
ENDLESS = Deadline(seconds=math.inf)


def test_a_scenario_on_trial_is_told_what_a_cell_of_a_run_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told: list[ScenarioContext] = []

    def run(context: ScenarioContext) -> list[Finding]:
        told.append(context)
        return [FINE]

    scenario = scenarios.discover()["spark-pi"].SCENARIO
    monkeypatch.setattr(scenarios, "discover", lambda: {"spark-pi": SimpleNamespace(SCENARIO=scenario, run=run)})
    site = Site(
        prepared=cast(Any, SimpleNamespace(cluster=SimpleNamespace(name="it"))),
        installed=cast(Any, SimpleNamespace(release=None, chart=None, namespace="ops", account="runs", values={})),
        request=cast(Any, None),
        resources=cast(Any, SimpleNamespace(scratch=lambda name: tmp_path / name)),
        programs=cast(Any, SimpleNamespace(helm=Path("helm"))),
        preparation=cast(Any, None),
    )
    assert site.scenario("spark-pi", 7) == [FINE]
    (context,) = told
    assert context.spark_image == context.spark_images[scenario.spark]
    assert (context.operator_namespace, context.service_account, context.seed) == ("ops", "runs", 7)


def test_there_are_enough_rows_of_either_kind() -> None:
    assert len(ROWS.fault) >= 24
    assert len(ROWS.harmless) >= 24
    names = [it.name for it in ROWS.rows]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS.rows, ids=lambda it: it.name)
def test_every_row_names_what_there_is(row: catalogue.Row) -> None:
    assert not row.scenario or row.scenario in scenarios.discover()
    for step in row.step:
        needed = {
            "patch": bool(step.at and step.change),
            "create": bool(step.at and step.object.get("metadata", {}).get("name")),
            "delete": bool(step.at),
            "node": bool(step.run),
            "act": step.act in ACTS,
            "values": True,
        }
        assert needed[step.do], step


def test_every_act_is_used() -> None:
    assert {step.act for row in ROWS.rows for step in row.step if step.act} == set(ACTS)


def test_the_quick_rows_are_three_of_either_kind() -> None:
    rows = ROWS.only(verdicts.QUICK_ROWS)
    assert [isinstance(it, Fault) for it in rows] == [False] * 3 + [True] * 3


@pytest.mark.parametrize(
    ("findings", "fate"),
    [
        ([FINE, failed("one-leader", "the lease is held by another")], Fate.CAUGHT),
        ([FINE, failed("one-leader", "nobody holds it")], Fate.MISSED),
        ([FINE, errored("one-leader", "the lease is held by another")], Fate.MISSED),
        ([FINE, failed("no-restarts", "the lease is held by another")], Fate.MISSED),
        ([FINE], Fate.MISSED),
        ([], Fate.UNTRIED),
    ],
)
def test_a_fault_is_caught_by_its_check_in_its_words(findings: Sequence[Finding], fate: Fate) -> None:
    result = Result(row=FAULT, findings=findings)
    assert result.fate is fate
    assert VerdictsOutcome(results=[result], asked=1).holds is (fate is Fate.CAUGHT)


@pytest.mark.parametrize(
    ("findings", "fate"),
    [
        ([FINE], Fate.QUIET),
        ([FINE, unavailable("metrics-served", "off")], Fate.QUIET),
        ([FINE, failed("metrics-served", "the port is closed")], Fate.ALARM),
        ([errored("metrics-served", "it could not be asked")], Fate.ALARM),
        ([], Fate.UNTRIED),
    ],
)
def test_a_harmless_change_alarms_by_any_finding(findings: Sequence[Finding], fate: Fate) -> None:
    result = Result(row=HARMLESS, findings=findings)
    assert result.fate is fate
    assert VerdictsOutcome(results=[result], asked=1).holds is (fate is Fate.QUIET)


def test_what_could_not_be_planted_does_not_hold_and_says_why(tmp_path: Path) -> None:
    caught = Result(row=FAULT, findings=[failed("one-leader", "held by another")], seconds=21.4)
    untried = Result(row=HARMLESS, trouble="the node's shell ended with 1", left=("nodes/n differs",))
    found = VerdictsOutcome(results=[caught, untried], asked=2)
    assert not found.holds
    assert str(found) == "1 of 1 faults caught, 0 false alarms of 1 harmless changes, 1 not tried"
    console = Console(width=150, record=True, file=io.StringIO())
    console.print(table(found.results))
    text = console.export_text()
    assert "one-leader: held by another" in text
    assert "the node's shell ended with 1" in text

    found.write(tmp_path / "verdicts.json")
    written = json.loads((tmp_path / "verdicts.json").read_text())
    assert [it["fate"] for it in written["rows"]] == ["caught", "not tried"]
    assert written["rows"][0]["wanted"] == {"check": "one-leader", "verdict": "failed", "says": "held by [a-z]+"}
    assert written["holds"] is False


def test_without_rows_nothing_holds() -> None:
    assert not VerdictsOutcome(results=[], asked=0).holds
    some = VerdictsOutcome(results=[Result(row=HARMLESS, findings=[FINE])], asked=2)
    assert not some.holds
    assert str(some).endswith("1 not tried")


def test_rows_are_listed_without_a_cluster(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    assert main(["verdicts", "--list", "--only", "lease-stolen", "--output", str(file)]) == 0
    assert capsys.readouterr().out.startswith("fault     lease-stolen ")
    assert [it["name"] for it in json.loads(file.read_text())] == ["lease-stolen"]


def test_a_row_that_there_is_not_is_named_with_a_near_one() -> None:
    with pytest.raises(UsageError, match="lease-stolen"):
        ROWS.only(["lease-stole"])


def test_a_wrong_row_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.toml"
    file.write_text('[[fault]]\nname = "a"\nwhat = "b"\ncheck = "c"\n[[fault.step]]\ndo = "patch"\n')
    with pytest.raises(CatalogueError, match=r"verdicts\.toml, line 1: key says"):
        catalogue.load(file)


class ScriptedSite:
    """A site that needs no cluster: what is planted and what is left is a test's to say."""

    def __init__(self, left: Sequence[Sequence[str]]) -> None:
        self.left = [list(it) for it in left]
        self.renewed = 0

    def checks(self, seed: int) -> list[Finding]:
        return [FINE]

    def scenario(self, name: str, seed: int) -> list[Finding]:
        return [passed(name, "it ran")]

    def renew_pods(self) -> None:
        self.renewed += 1

    def as_before(self) -> list[str]:
        return self.left.pop(0)


def tried(row: catalogue.Row, *left: Sequence[str]) -> tuple[Result, ScriptedSite]:
    site = ScriptedSite(left)
    return verdicts.try_row(cast("Site", site), row), site


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is planted and undone, in order."""
    told: list[str] = []

    def plant(on: Site, step: Step) -> planting.Undo:
        if step.run == "fails":
            raise HarnessError("the shell ended with 1")
        told.append(f"plant {step.run}")
        return lambda: told.append(f"undo {step.run}")

    monkeypatch.setattr(planting, "plant", plant)
    return told


def test_steps_are_undone_in_the_opposite_order(planted: list[str]) -> None:
    two = HARMLESS.model_copy(update={"step": (STEP, Step(do="node", run="two"))})
    result, _ = tried(two, [])
    assert planted == ["plant true", "plant two", "undo two", "undo true"]
    assert result.fate is Fate.QUIET
    assert result.undone


def test_what_was_planted_before_a_step_that_fails_is_undone(planted: list[str]) -> None:
    broken = HARMLESS.model_copy(update={"step": (STEP, Step(do="node", run="fails"))})
    result, _ = tried(broken, [])
    assert planted == ["plant true", "undo true"]
    assert result.trouble == "the shell ended with 1"


def test_a_fault_leaves_no_pods_and_what_stays_costs_the_cluster(planted: list[str]) -> None:
    result, site = tried(FAULT, [])
    assert (site.renewed, result.undone) == (1, True)
    result, site = tried(HARMLESS, ["a differs"], [])
    assert (site.renewed, result.undone) == (1, True)
    result, site = tried(FAULT, ["a differs"], ["a differs"])
    assert (site.renewed, result.undone) == (2, False)


def test_a_row_that_could_not_be_planted_is_tried_once_more(planted: list[str]) -> None:
    broken = HARMLESS.model_copy(update={"step": (Step(do="node", run="fails"),)})
    assert verdicts.once_more(cast("Site", ScriptedSite([[], []])), broken).fate is Fate.UNTRIED


def test_rows_share_a_cluster_until_it_is_not_as_before(planted: list[str]) -> None:
    rows: list[catalogue.Row] = [HARMLESS.model_copy(update={"name": name}) for name in ("a", "b", "c")]
    told: list[str] = []
    results: list[Result] = []
    site = ScriptedSite([[], ["nodes/n differs"], ["nodes/n differs"]])
    verdicts._try_on(cast("Site", site), rows, told.append, results.append, ENDLESS)
    assert [it.row.name for it in results] == ["a", "b"]
    assert [it.name for it in rows] == ["c"]
    assert told[-1] == "b: not as before: nodes/n differs. What comes next gets a fresh cluster"


def test_no_row_is_begun_when_time_is_up(planted: list[str]) -> None:
    rows: list[catalogue.Row] = [HARMLESS]
    verdicts._try_on(cast("Site", ScriptedSite([])), rows, print, lambda _: None, Deadline(seconds=0))
    assert (rows, planted) == ([HARMLESS], [])


CAUGHT = Result(row=FAULT, findings=[failed("one-leader", "held by another")], seconds=21.4, day="2026-11-30")
QUIET = Result(row=HARMLESS, findings=[FINE], seconds=9.5, day="2026-11-29")


def test_what_a_file_has_of_a_row_is_what_became_of_it(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    assert outcome.kept(file, [FAULT]) == []
    VerdictsOutcome(results=[CAUGHT, QUIET], asked=2).write(file)
    assert outcome.kept(file, [FAULT, HARMLESS]) == [CAUGHT, QUIET]
    assert outcome.kept(file, [HARMLESS]) == [QUIET]


def test_a_row_that_has_changed_or_was_not_tried_is_not_kept(tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    untried = Result(row=HARMLESS, trouble="the shell ended with 1", day="2026-11-30")
    VerdictsOutcome(results=[CAUGHT, untried], asked=2).write(file)
    changed = FAULT.model_copy(update={"says": "held by [0-9]+"})
    assert outcome.kept(file, [changed, HARMLESS]) == []


def test_a_file_of_something_else_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    file.write_text("{}")
    with pytest.raises(UsageError, match="does not have results of verdicts on trial"):
        outcome.kept(file, [FAULT])


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The rows that are tried, each of which is caught or quiet."""
    names: list[str] = []

    def try_all(rows: Sequence[catalogue.Row], *rest: Any) -> None:
        note, deadline = rest[-2:]
        for row in rows[: 2 if deadline.seconds < math.inf else None]:
            names.append(row.name)
            wanted = [failed(row.check, "it is told")] if isinstance(row, Fault) else [FINE]
            note(Result(row=row, findings=wanted, day="2026-11-30"))

    monkeypatch.setattr(verdicts, "request", lambda options: None)
    monkeypatch.setattr(verdicts, "host", lambda asked: None)
    monkeypatch.setattr(verdicts, "try_all", try_all)
    return names


def test_a_later_call_goes_on_with_what_the_file_lacks(trials: list[str], tmp_path: Path) -> None:
    file = tmp_path / "verdicts.json"
    names = [it.name for it in ROWS.rows]
    assert main(["verdicts", "--output", str(file), "--minutes", "8"]) == 1
    assert trials == names[:2]
    assert json.loads(file.read_text())["asked"] == len(names)
    main(["verdicts", "--output", str(file)])
    assert trials == names
    main(["verdicts", "--output", str(file)])
    assert trials == names
    main(["verdicts", "--output", str(file), "--only", names[5]])
    assert trials == [*names, names[5]]
    assert [it["name"] for it in json.loads(file.read_text())["rows"]] == names


def thing(name: str, **changes: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": "7", "uid": "u"}, "spec": {"a": 1}} | changes


def pod(owner: str, *, ready: bool = True, restarts: int = 0) -> dict[str, Any]:
    statuses = [{"ready": ready, "restartCount": restarts}]
    metadata = {"name": f"{owner}-x1", "ownerReferences": [{"kind": "ReplicaSet", "name": owner}]}
    return {"metadata": metadata, "status": {"containerStatuses": statuses}}


def pictured(folder: Path, objects: Mapping[str, Sequence[Mapping[str, Any]]]) -> state.Picture:
    with api_server(folder, objects) as cluster, cluster.api_client() as api:
        return state.look(api, ["operator"])


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"nodes": [thing("n", spec={"a": 2})]}, "nodes/n differs"),
        ({"nodes": [thing("n"), thing("m")]}, "nodes/m came"),
        ({"nodes": []}, "nodes/n is gone"),
        ({"pods": [pod("web-1a"), pod("web-1a")]}, "pods of operator differs"),
        ({"pods": [pod("web-1a", restarts=1)]}, "pods of operator differs"),
        ({"pods": [pod("web-1a", ready=False)]}, "pods of operator differs"),
    ],
)
def test_what_is_not_as_before_is_told(tmp_path: Path, changed: dict[str, Any], words: str) -> None:
    objects = {"nodes": [thing("n")], "pods": [pod("web-1a")]}
    before, after = pictured(tmp_path, objects), pictured(tmp_path, {**objects, **changed})
    assert [it.endswith(words) for it in state.differences(before, after)] == [True]


def test_what_changes_by_itself_is_as_before(tmp_path: Path) -> None:
    later = thing("n", status={"conditions": ["x"]})
    later["metadata"] = {"name": "n", "resourceVersion": "9", "uid": "v", "generation": 3}
    later["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "4"}
    before = pictured(tmp_path, {"nodes": [thing("n")], "pods": [pod("web-1a")]})
    after = pictured(tmp_path, {"nodes": [later], "pods": [pod("web-2b")]})
    assert state.differences(before, after) == []


def test_an_object_that_was_deleted_can_be_made_again() -> None:
    item = {"kind": "Role", "metadata": {"name": "a", "uid": "u", "resourceVersion": "1"}, "rules": [], "status": {}}
    assert planting.remade(item) == {"kind": "Role", "metadata": {"name": "a"}, "rules": []}


def test_what_goes_wrong_beside_is_raised_at_the_end() -> None:
    from harness.bench.verdicts.beside import Beside

    def fails(over: object) -> None:
        raise WaitTimeout("no driver ran")

    with pytest.raises(HarnessError, match="could not be planted: no driver ran"):
        Beside(fails).end()
    Beside(lambda over: None).end()


def test_every_verdict_of_a_row_is_one_that_finds_something() -> None:
    assert {it.verdict for it in ROWS.fault} <= {Verdict.FAILED, Verdict.ERROR}


@pytest.mark.parametrize(
    "begun",
    [
        Container(name="c", image="i", image_id="i@sha256:1", state="running"),
        Container(name="c", image="i", state="waiting", reason="ErrImagePull"),
    ],
    ids=["runs", "cannot"],
)
def test_a_new_pod_is_looked_at_once_its_node_has_said_something_of_its_image(begun: Container) -> None:
    creating = Container(name="c", image="i", state="waiting", reason="ContainerCreating")
    looks = [[Pod(name="p", uid="new", containers=(it,))] for it in (Container(name="c", image="i"), creating, begun)]
    looks.insert(0, [Pod(name="o", uid="old", containers=(begun,))])
    planting._wait(cast("Site", SimpleNamespace(pods=lambda: looks.pop(0))), "new-pod", {"old"})

    assert looks == []
