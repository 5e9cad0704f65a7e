# SPDX-License-Identifier: Apache-2.0
"""Advice about an upgrade: what results make of it, and what the catalogue adds."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from advice_samples import CATALOGUE, COMMANDS, CRASHED, GOOD, STRUCK, cells, report, run
from rich.console import Console

from harness import stories
from harness.advice import values as advice_values
from harness.advice.remarks import End
from harness.matrix.crd_modes import ON_PURPOSE, ways_of
from harness.report import advice_text, html, summary
from harness.report.advice import Advice, Answer, Sentence, advise, of_run
from harness.report.path_results import OWN, WATCHED
from harness.stories.user_apps import story
from harness.verdicts import errored, failed, passed

NONE, APPLY, HOOK = (f"upgrade-2.2.1@docker.io-2.5.2+crds={mode}" for mode in ("none", "apply", "hook"))
EDGE = ("2.2.1@docker.io", "2.5.2")
BROKEN = {"operator-health": CRASHED}


def texts(sentences: tuple[Sentence, ...]) -> str:
    return "\n".join(map(str, sentences))


def test_what_must_have_looked_are_scenarios_of_upgrades() -> None:
    assert set(WATCHED) <= {name for name, it in stories.scenarios().items() if "upgrade" in it.needs.paths}


def test_what_makes_things_fail_on_purpose_is_told_by_its_name() -> None:
    for name, scenario in stories.scenarios().items():
        assert name.startswith(ON_PURPOSE) == stories.of(scenario).breaks_things


def test_a_failure_that_nobody_made_counts_whatever_its_scenario_is_called() -> None:
    unheard_of = {"next-years": [failed("runs", "it does not")]}
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2", unheard_of))])
    assert found.answer is Answer.NOT_SAFE


def test_an_upgrade_that_needs_nothing_is_safe() -> None:
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2"))])
    assert found.answer is Answer.SAFE
    assert found.answer.exit_status == 0
    assert found.path == "upgrade-2.4.0-2.5.2+crds=none"
    assert texts(found.why) == (
        "with the CRDs left unchanged, everything held [run here: kind-1.34, run 20260801-100000-aaaa, 2026-08-01]"
    )


def test_the_users_own_applications_count_where_they_ran() -> None:
    assert OWN == story.NAME
    held = {OWN: [passed("user-app etl", "SparkApplication etl of etl.yaml:1: COMPLETED")]}
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2", held))])
    assert found.answer is Answer.SAFE
    assert "your own applications kept running" in texts(found.expect)
    lost = {OWN: [failed("user-app etl", "SparkApplication etl of etl.yaml:1: two drivers")]}
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2", lost))])
    assert found.answer is not Answer.SAFE
    assert "user-apps failed: user-app etl: SparkApplication etl of etl.yaml:1: two drivers" in texts(found.why)


def test_where_only_the_crds_make_it_safe_their_commands_are_the_steps() -> None:
    found = advise(*EDGE, [report(cells(NONE, BROKEN), cells(APPLY), cells(HOOK))])
    assert found.answer is Answer.WITH_STEPS
    assert found.path == APPLY
    assert [step.text for step in found.steps] == COMMANDS
    assert all(step.origin == "run here" for step in found.steps)
    assert "with the CRDs left unchanged, operator-health is broken as known: Helm never updates" in texts(found.why)
    assert "creates are rejected for 0.3 s in total, at most 0.2 s at once" in texts(found.expect)
    assert "there is no leader for 21.4 s" in texts(found.expect)
    assert "none ran twice" in texts(found.expect)
    assert {proof.cell for proof in found.evidence} >= {f"kind-1.34/{APPLY}/schedules"}


def test_a_race_is_told_with_how_often_and_what_to_do_after() -> None:
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2", {"submissions": STRUCK}))])
    assert found.answer is Answer.WITH_STEPS
    assert "2 of 30 applications ended FAILED although their driver succeeded (2 while there was no leader)" in texts(
        found.expect
    )
    last = found.steps[-1]
    assert last.text.startswith("note: submit nothing while the operator is being replaced")
    assert (last.origin, last.where) == ("from the catalogue", "https://github.com/kubeflow/spark-operator/issues/2788")


def test_where_every_way_that_was_gone_broke_it_is_not_safe() -> None:
    bad = {"running-apps": [failed("long-keeps-driver", "another driver")]}
    found = advise(*EDGE, [report(cells(NONE, BROKEN), cells(APPLY, bad))])
    assert found.answer is Answer.NOT_SAFE
    assert found.answer.exit_status == 1
    assert not found.steps
    assert "running-apps failed: long-keeps-driver: another driver" in texts(found.why)


def test_broken_in_one_environment_is_broken() -> None:
    other = cells(APPLY, {"schedules": [failed("slots-kept", "3 missed")]}, environment="k3d-1.34")
    found = advise(*EDGE, [report(cells(APPLY), other)])
    assert found.answer is Answer.NOT_SAFE
    assert "k3d-1.34" in texts(found.why)


@pytest.mark.parametrize("missing", ["schedules", "operator-health"])
def test_what_nobody_looked_at_is_not_safe_but_not_known(missing: str) -> None:
    partly = [cell for cell in cells(APPLY) if cell.scenario != missing]
    found = advise(*EDGE, [report(partly)])
    assert found.answer is Answer.NOT_KNOWN
    assert found.answer.exit_status == 3
    assert f"on kind-1.34, {missing} without a result" in found.unknown[0]
    blind = advise(*EDGE, [report(cells(APPLY, {missing: [errored(missing, "the node went away")]}))])
    assert blind.answer is Answer.NOT_KNOWN


def test_the_latest_result_of_each_cell_counts() -> None:
    old = report(cells(APPLY, {"schedules": [failed("slots-kept", "3 missed")]}))
    new = report(cells(APPLY), run_id="20260802-100000-bbbb", day=2)
    assert advise(*EDGE, [new, old]).answer is Answer.WITH_STEPS
    assert advise(*EDGE, [old, new]).answer is Answer.NOT_SAFE
    assert {proof.run_id for proof in advise(*EDGE, [new, old]).evidence} == {"20260802-100000-bbbb"}


def test_of_several_attempts_the_worst_counts() -> None:
    bad = cells(APPLY, {"schedules": [failed("slots-kept", "3 missed")]})
    again = [cell.model_copy(update={"attempt": 2}) for cell in cells(APPLY)]
    assert advise(*EDGE, [report(bad, again)]).answer is Answer.NOT_SAFE


def test_without_a_run_the_catalogue_speaks_and_nothing_is_called_safe() -> None:
    found = advise("2.1.1", "2.5.2", [report(cells(APPLY))], upgrades=CATALOGUE.upgrades)
    assert found.answer is Answer.NOT_KNOWN
    assert "CRD SparkConnect is missing" in texts(found.breaks)
    assert all(sentence.origin == "from the catalogue" for sentence in found.breaks)
    assert found.unknown == (
        "no run here upgraded from 2.1.1 to 2.5.2: nox -s e2e -- --path 'upgrade-2.1.1-2.5.2+crds=apply'",
        "the nearest upgrade with results is 2.2.1@docker.io → 2.5.2",
    )


def test_an_edge_that_ran_in_another_way_is_not_its_own_nearest() -> None:
    found = advise(*EDGE, [report(cells(APPLY.replace("+", "~helm3+")))])
    assert found.answer is Answer.NOT_KNOWN
    (said,) = found.unknown
    assert said.startswith("no run here upgraded from 2.2.1@docker.io to 2.5.2 in the usual way, by helm upgrade with ")
    assert said.endswith(f"nox -s e2e -- --path '{APPLY}'")


def test_what_a_run_has_shown_is_not_told_from_the_catalogue_again() -> None:
    found = advise(*EDGE, [report(cells(NONE, BROKEN), cells(APPLY))], upgrades=CATALOGUE.upgrades)
    assert "SparkConnect is missing" not in texts(found.breaks)
    assert "with --reuse-values: " in texts(found.breaks)


def test_conditions_of_a_known_break_are_told_as_all_of_them() -> None:
    said = texts(advise("2.1.1", "2.5.2", [], upgrades=CATALOGUE.upgrades).breaks)
    assert "with the CRDs left unchanged, with your values or --reuse-values or --reset-then-reuse-values: Helm" in said
    assert "with hook.upgradeCrd=true, in environments *-restricted: the hook's Job" in said
    assert "installed by Helm or Helm 3 or Helm 4, upgraded by kubectl: Helm's record of its release stays" in said


def test_who_deploys_with_one_tool_is_told_nothing_of_another() -> None:
    of_helm = texts(advise("2.1.1", "2.5.2", [], upgrades=CATALOGUE.upgrades, ways=ways_of("flux")).breaks)
    assert "CRD SparkConnect is missing" in of_helm
    assert "Argo CD by default" not in of_helm
    assert "Kustomize" not in of_helm
    of_argo_cd = texts(advise("2.1.1", "2.5.2", [], upgrades=CATALOGUE.upgrades, ways=ways_of("argocd")).breaks)
    assert "upgraded by Argo CD by default: " in of_argo_cd


def test_going_back_is_told_when_it_was_tried() -> None:
    back = cells("rollback-2.5.2-2.4.0+crds=apply", {"running-apps": [failed("suspended-resumes", "it is stuck")]})
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2"), back)])
    assert found.answer is Answer.SAFE
    assert "rolling back from 2.5.2 to 2.4.0 with helm rollback" in texts(found.expect)
    assert "running-apps is failed: it is stuck" in texts(found.expect)


def test_other_values_modes_say_what_breaks_otherwise() -> None:
    reuse = "upgrade-2.4.0-2.5.2+crds=none+values=reuse"
    bad = cells(reuse, {"operator-health": [failed("move-completed", "nil pointer")]})
    found = advise("2.4.0", "2.5.2", [report(cells("upgrade-2.4.0-2.5.2"), bad)])
    assert found.answer is Answer.SAFE
    assert "with the CRDs left unchanged and --reuse-values, operator-health failed" in texts(found.breaks)


def test_a_run_ends_with_the_advice_for_each_of_its_edges() -> None:
    made = run(cells(NONE, BROKEN), cells(APPLY), cells("upgrade-2.4.0-2.5.2"))
    assert [(it.origin, it.target, it.answer) for it in of_run(made)] == [
        (*EDGE, Answer.WITH_STEPS),
        ("2.4.0", "2.5.2", Answer.SAFE),
    ]
    console = Console(width=100, record=True, force_terminal=False)
    summary.terminal(made, console, Path("/reports/run"))
    shown = console.export_text()
    page = summary.markdown(made)
    assert "advice: 2.2.1@docker.io → 2.5.2: safe with these steps" in shown
    assert f"1. {COMMANDS[0]}" in shown
    told = unescape(re.sub("<[^>]*>", "", html.render(made)))
    assert "2.2.1@docker.io → 2.5.2: safe with these steps" in told
    assert COMMANDS[0] in told
    assert "### 🟡 `2.2.1@docker.io` → `2.5.2`: safe with these steps" in page
    assert "### ✅ `2.4.0` → `2.5.2`: safe" in page


def test_a_run_tells_what_applications_get_otherwise() -> None:
    admission = [*GOOD["admission"], passed("always-mutated", "all", changes=["they get one executor"])]
    (found,) = of_run(report(cells("upgrade-2.1.1-2.5.2+crds=apply", {"admission": admission})).run)
    assert "they get one executor" in [it.text for it in found.expect]


def test_a_run_without_upgrades_has_no_advice() -> None:
    made = run()
    assert of_run(made) == []
    assert "Advice" not in html.render(made)


def test_every_line_says_where_it_comes_from() -> None:
    found = advise(*EDGE, [report(cells(NONE, BROKEN), cells(APPLY))], upgrades=CATALOGUE.upgrades)
    lines = list(advice_text.lines(found))
    assert lines[0] == "advice: 2.2.1@docker.io → 2.5.2: safe with these steps"
    told = [line for line in lines if line.startswith("    ") and "reports/" not in line and "nox -s" not in line]
    # What a step rests on is below it, so that a command can be copied.
    numbered = [number for number, line in enumerate(told) if line[4].isdigit()]
    assert all(told[number + 1].startswith("       [") for number in numbered)
    told = [line for line in told if not line[4].isdigit()]
    assert numbered
    assert all("[run here: kind-1.34" in line or "[from the catalogue: " in line for line in told)
    assert "  evidence:" in lines


def test_advice_goes_through_json_unchanged() -> None:
    found = advise(*EDGE, [report(cells(APPLY))], upgrades=CATALOGUE.upgrades)
    assert Advice.model_validate_json(found.model_dump_json()) == found


ORIGIN = End(
    name="2.2.1@docker.io",
    release=CATALOGUE.release("2.2.1@docker.io"),
    defaults={"image": {"registry": "", "tag": ""}, "controller": {"gone": 1}},
)
TARGET = End(
    name="2.5.2",
    release=CATALOGUE.release("2.5.2"),
    defaults={
        "image": {"registry": "", "repository": "", "tag": ""},
        "controller": {"workers": 1, "labels": {}},
        "hook": {"upgradeCrd": False},
    },
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"image": {"registry": "docker.io", "repository": "kubeflow/spark-operator"}},
            "2.5.2 would be pulled as docker.io/kubeflow/spark-operator:2.5.2, which upstream does not publish",
        ),
        (
            {"image": {"registry": "harbor.example.com"}},
            "must have harbor.example.com/kubeflow/spark-operator/controller:2.5.2 before the upgrade",
        ),
        ({"image": {"registry": "ghcr.io"}}, "image.registry: this is the default of 2.5.2"),
        ({"image": {"tag": "2.2.1"}}, "image.tag keeps the image at 2.2.1"),
        ({"image": {"tag": "2.2.1"}}, "--feature-gates"),
        ({"hook": {"upgradeCrd": True}}, "Pod Security Standard"),
        ({"controller": {"logLevl": "x"}}, "controller.logLevl is not in the chart of 2.5.2: it has no effect"),
        (
            {"controller": {"gone": 2}},
            "controller.gone is in the chart of 2.2.1@docker.io but no longer in the chart of",
        ),
        ({"controller": {"labels": {"a": "b"}, "workers": 3}}, "none of these values needs a change"),
    ],
)
def test_values_that_matter_are_named(values: dict[str, object], expected: str) -> None:
    found = advice_values.judge(values, ORIGIN, TARGET, CATALOGUE.upgrades)
    assert expected in texts(tuple(found))


def test_a_chart_that_is_not_at_hand_is_not_guessed_at() -> None:
    bare = End(name="2.5.2", release=CATALOGUE.release("2.5.2"))
    (found,) = advice_values.judge({"controller": {"workers": 3}}, ORIGIN, bare)
    assert "its chart is not available here" in found.text


def test_good_results_are_good() -> None:
    assert set(GOOD) == set(WATCHED)
