# SPDX-License-Identifier: Apache-2.0
"""What a rehearsal amounts to, and how it is told in the terminal, the summary and the page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rehearsal_samples import app, snapshot
from report_samples import run

from harness.advice import site
from harness.matrix import catalogue
from harness.matrix.model import Cell, Environment, Scenario
from harness.matrix.model import Path as MovePath
from harness.rehearsal import outcome, plan
from harness.report import html, rehearsal, summary, writer
from harness.report.advice import Advice, Answer, Sentence
from harness.report.model import RehearsalResult, cell_result
from harness.report.path_results import WATCHED
from harness.verdicts import Finding, Verdict

PLAIN = "upgrade-2.2.1@docker.io-2.5.2+crds=none+values=pinned-registry"
STEPS = "upgrade-2.2.1@docker.io-2.5.2+crds=apply"
BACK = "rollback-2.5.2-2.2.1@docker.io+crds=apply"
KUBECTL = "helm show crds … | kubectl apply --server-side --force-conflicts -f -"
ADVICE = Advice(
    origin="2.2.1@docker.io",
    target="2.5.2",
    answer=Answer.WITH_STEPS,
    objects=(Sentence(text="1 of 2 SparkApplications (etl/etl): refused", origin="from the schema"),),
    steps=(Sentence(text=KUBECTL, origin="run here", where="kind-1.34"),),
)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> plan.Plan:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    reading = site.read(snapshot(tmp_path, [app("etl"), app("broke", "FAILED")]))
    asked = plan.Asked(reading=reading, target="2.5.2", applications=2, source="foundry", has=lambda image: True)
    return plan.plan(asked, catalogue.load())


def cell(path: str, scenario: str, verdict: Verdict, message: str = "", strikes: str = "always") -> Any:
    found = Cell(
        environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
        path=MovePath(name=path, releases=("2.2.1", "2.5.2")),
        scenario=Scenario(name=scenario, summary=scenario),
    )
    check = "user-app etl" if scenario == "user-apps" else "check"
    return cell_result(
        found,
        [Finding(check=check, verdict=verdict, message=message, evidence={"strikes": strikes, "way_out": "wait"})],
        repro="x",
    )


def result(
    made: plan.Plan, strikes: str = "always", advised: Answer = Answer.NOT_KNOWN, **verdicts: Verdict
) -> RehearsalResult:
    """Of a run in which each path has one verdict for `submissions`, and all else passed."""
    paths = {"plain": PLAIN, "steps": STEPS, "back": BACK}
    cells = [
        cell(
            path,
            it,
            verdicts.get(name, Verdict.PASSED) if it == "submissions" else Verdict.PASSED,
            f"{name} {it}",
            strikes,
        )
        for name, path in paths.items()
        for it in (*WATCHED, "user-apps")
    ]
    done = run().model_copy(update={"cells": tuple(cells), "planned": tuple(it.id for it in cells)})
    advice = ADVICE.model_copy(update={"answer": advised})
    return outcome.outcome(made, done, advice, {"schedules": "no run is missed"})


@pytest.mark.parametrize(
    ("verdicts", "answer", "status"),
    [
        ({}, "safe", 0),
        ({"plain": Verdict.BROKEN_AS_KNOWN}, "safe with these steps", 0),
        ({"plain": Verdict.FAILED, "steps": Verdict.FAILED}, "not safe", 1),
        ({"back": Verdict.FAILED}, "not safe", 1),
        ({"back": Verdict.BROKEN_AS_KNOWN}, "safe", 0),
        ({"plain": Verdict.FAILED, "steps": Verdict.BROKEN_AS_KNOWN}, "not safe", 1),
        ({"plain": Verdict.ERROR, "steps": Verdict.ERROR}, "not known", 3),
        ({"plain": Verdict.FAILED, "back": Verdict.UNAVAILABLE}, "not known", 3),
    ],
)
def test_the_answer_follows_from_the_three_moves(
    made: plan.Plan, verdicts: dict[str, Any], answer: str, status: int
) -> None:
    found = result(made, **verdicts)
    assert found.answer == answer
    assert outcome.exit_status(found) == status
    assert outcome.exit_status(found, leaks=["container x"]) == (status or 3)


def test_it_names_what_held_what_broke_and_the_steps(made: plan.Plan) -> None:
    found = result(made, plain=Verdict.BROKEN_AS_KNOWN)
    plain, steps, _ = found.moves
    assert plain.answer == "broke as known"
    assert plain.broke == ("submissions (broken-as-known): check: plain submissions. Way out: wait",)
    assert "schedules: no run is missed" in steps.held
    assert any("1 applications of the site" in it for it in steps.held)
    assert KUBECTL in found.steps[0]
    assert found.applications == {"SparkApplication COMPLETED": 1, "SparkApplication FAILED": 1}
    assert found.stored == 2
    (*_, back) = result(made, back=Verdict.ERROR).moves
    assert (back.answer, back.unproved) == ("not proved", ("submissions: back submissions",))


def test_what_the_snapshot_says_can_only_make_it_worse(made: plan.Plan) -> None:
    assert result(made, advised=Answer.NOT_SAFE).answer == "not safe"
    assert result(made, advised=Answer.WITH_STEPS).answer == "safe with these steps"
    assert result(made, advised=Answer.SAFE, plain=Verdict.FAILED, steps=Verdict.FAILED).answer == "not safe"
    assert "etl/etl" in result(made).seen[0]


def test_a_race_is_no_break(made: plan.Plan) -> None:
    found = result(made, strikes="sometimes", plain=Verdict.BROKEN_AS_KNOWN, steps=Verdict.BROKEN_AS_KNOWN)
    assert [it.answer for it in found.moves] == ["held, but for a race", "held, but for a race", "held"]
    assert found.answer == "safe with these steps"


def test_a_known_break_on_the_way_back_proves_nothing_of_what_is_missing(made: plan.Plan) -> None:
    broken, missing = cell(BACK, "running-apps", Verdict.BROKEN_AS_KNOWN), f"kind-1.34/{BACK}/admission"
    forth = [cell(it, "submissions", Verdict.PASSED) for it in (PLAIN, STEPS)]
    done = run().model_copy(update={"cells": (*forth, broken), "planned": (missing,)})
    found = outcome.outcome(made, done, ADVICE, {})
    assert [it.answer for it in found.moves] == ["held", "held", "broke as known"]
    assert found.answer == "not known"


def test_a_cell_without_a_result_is_not_proved(made: plan.Plan) -> None:
    done = run().model_copy(update={"planned": (f"kind-1.34/{STEPS}/schedules",)})
    found = outcome.outcome(made, done, ADVICE, {})
    assert found.moves[1].unproved == ("schedules: no result",)
    assert found.answer == "not known"


def test_one_page_tells_it(made: plan.Plan, tmp_path: Path) -> None:
    found = result(made, plain=Verdict.FAILED)
    told = run("spark-pi").model_copy(update={"rehearsal": found})
    for text in (html.render(told), summary.markdown(told), "\n".join(rehearsal.lines(found))):
        assert "safe with these steps" in text
        assert "plain submissions" in text
        assert "kubectl apply --server-side" in text
        assert "what the snapshot does not have: Secret etl/hub" in text
        assert "the move and the way back" in text.lower()
        assert "SparkApplications (etl/etl): refused" in text
    assert "Rehearsal" not in html.render(run("spark-pi"))
    done = writer.ReportWriter(tmp_path, run("spark-pi", run_id="20260801-101500-ab13")).finish()
    folder = tmp_path / done.run_id
    writer.rehearsed(folder, done, found)
    assert writer.read(folder / writer.RESULTS).rehearsal == found
    assert "safe with these steps" in (folder / writer.HTML).read_text()
