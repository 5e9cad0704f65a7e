# SPDX-License-Identifier: Apache-2.0
"""What runs showed of ways of installing: the tables of the documentation."""

from __future__ import annotations

from harness.matrix import catalogue, way_results
from harness.matrix.path_outcomes import PathOutcomes
from harness.stories import page

REAL = catalogue.load()
EDGE = "upgrade-2.2.1@docker.io-2.5.2"


def row(path: str, **outcomes: tuple[str, ...]) -> PathOutcomes:
    facts = {"environment": "kind-1.34", "path": path, "recorded": "2026-11-30", "source": "a run", **outcomes}
    return PathOutcomes.model_validate(facts)


def line(rows: list[PathOutcomes], name: str) -> list[str]:
    """The cells of the first table's line of this name."""
    (found, *_) = (it for it in way_results.tables(rows, REAL).splitlines() if it.startswith(f"| {name} |"))
    return [it.strip() for it in found.split("|")[2:-1]]


def test_the_tables_of_the_page_are_those_of_the_file() -> None:
    text = page.WAYS_PAGE.read_text()
    assert page.with_ways(text) == text
    assert way_results.tables(way_results.read(), REAL) in text


def test_a_known_break_is_told_in_words_and_what_did_not_run_as_such() -> None:
    rows = [
        row(f"{EDGE}~helm3+crds=client-apply", known=("operator-health",)),
        row(f"{EDGE}~helm3+crds=apply", broken=("operator-health",)),
        row(f"{EDGE}~helm3+crds=apply", passed=("operator-health",)),
        row(f"{EDGE}~helm3+crds=replace", broken=("operator-health",)),
        row(f"{EDGE}~helm3+crds=create", passed=("schedules",)),
    ]
    told = line(rows, "Helm 3")
    assert told == ["not run", "not run", "known break (1)", "not run", "passed", "**broken**", "not run"]
    assert "\n1. applied by the client, a CRD is written into its own annotation" in way_results.tables(rows, REAL)


def test_what_argo_cd_says_counts_with_what_runs() -> None:
    rows = [row("gitops-argocd-2.2.1@docker.io-2.5.2+sync=client", passed=("operator-health",), known=("gitops",))]
    told = line(rows, "Argo CD, client-side")
    assert told[2].startswith("known break (")
    assert {*told[:2], *told[3:]} == {"–"}, "Argo CD brings the CRDs itself"


def test_kustomize_brings_the_crds_along() -> None:
    assert line([], "Helm 3, then Kustomize with an overlay") == ["–"] * 4 + ["not run"] + ["–"] * 2
