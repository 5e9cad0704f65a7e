# SPDX-License-Identifier: Apache-2.0
"""What an attempt at a cell of an upgrade runs with: what all cells of its pass watch."""

from __future__ import annotations

from dataclasses import replace

from harness.matrix import catalogue, expand
from harness.run import plan
from harness.run.attempt import Attempt
from harness.stories.moves import scenarios as judged

CATALOGUE = catalogue.load()
EVERYTHING = {"standing", "schedules", "submissions"}


def attempt(scenario: str, path: str = "upgrade-2.4.0-2.5.2+crds=apply") -> Attempt:
    environment, release_path = CATALOGUE.environment("kind-1.34"), expand.find_path(CATALOGUE, path)
    return Attempt(cell=expand.cell(environment, release_path, judged.discover()[scenario].SCENARIO))


def test_all_cells_of_an_upgrade_watch_all_kinds_of_applications_between_them() -> None:
    (together,) = plan.grouped([attempt(name) for name in judged.discover() if name != "reinstall"])
    assert {it.watched for it in together} == {frozenset(EVERYTHING)}


def test_a_cell_alone_brings_only_what_it_judges() -> None:
    found = {name: set(attempt(name).watched) for name in judged.discover()}
    assert found == {
        "admission": set(),
        "gitops": set(),
        "operator-health": set(),
        "reinstall": {"standing"},
        "running-apps": {"standing"},
        "schedules": {"schedules"},
        "submissions": {"submissions"},
    }


def test_each_cell_of_a_pass_runs_with_what_the_others_watch_and_keeps_it_when_it_is_tried_again() -> None:
    (together,) = plan.grouped([attempt("operator-health"), attempt("schedules")])
    assert [set(it.watched) for it in together] == [{"schedules"}, {"schedules"}]
    ((again,),) = plan.grouped([replace(together[0], number=2)])
    assert again.watched == {"schedules"}


def test_with_clusters_of_their_own_each_has_its_own() -> None:
    apart = plan.grouped([attempt("operator-health"), attempt("schedules")], share=False)
    assert [set(it.watched) for (it,) in apart] == [set(), {"schedules"}]


def test_cells_of_an_install_watch_no_path() -> None:
    assert replace(attempt("schedules", "install-2.5.2"), beside=frozenset({"standing"})).watched == frozenset()
