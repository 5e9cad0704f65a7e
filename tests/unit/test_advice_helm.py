# SPDX-License-Identifier: Apache-2.0
"""What the steps say where it is known which Helm there is, and which one made the release."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness import cli
from harness.advice import steps
from harness.advice.plan import Deployment, Plan
from harness.matrix import catalogue

TARGET = catalogue.load().release("2.5.2")
CONFLICT, CLIENT, DROPPED, SKIP = "--force-conflicts, which", "goes on applying it by the client", "too", "--skip-crds"


@pytest.mark.parametrize(
    ("helm", "applied", "told"),
    [
        (0, "", []),
        (0, "csa", []),
        (3, "", []),
        (3, "csa", []),
        (3, "ssa", [DROPPED]),
        (0, "ssa", [CONFLICT, SKIP]),
        (4, "ssa", [CONFLICT, SKIP]),
        (4, "", [CONFLICT, SKIP]),
        (4, "csa", [CLIENT, SKIP]),
    ],
)
def test_notes_are_about_the_helm_that_there_is(helm: int, applied: str, told: list[str]) -> None:
    made = steps.steps(Plan(deployment=Deployment(helm=helm, applied=applied), target=TARGET, crds="apply"))
    notes = [it.text for it in made if it.text.startswith("note: ")]
    assert len(notes) == len(told)
    for words, note in zip(told, notes, strict=True):
        assert words in note


@pytest.mark.parametrize(("tool", "notes"), [("helm", 0), ("helm3", 0), ("helm4", 2), ("kubectl", 0)])
def test_the_option_says_which_helm_it_is(tool: str, notes: int, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["advise", "--from", "2.2.1", "--to", "2.5.2", "--tool", tool, "--json"]
    assert cli.main(asked) in (0, 1)
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    told = [it["text"] for it in found["steps"]]
    assert len([it for it in told if it.startswith("note: ") and "Helm 4" in it]) == notes
    assert any(it.startswith("helm upgrade ") for it in told) == tool.startswith("helm")


@pytest.mark.parametrize(
    ("deployment", "first", "rendered", "last"),
    [
        (
            Deployment(tool="kubectl", name="production", home="platform", applied="csa"),
            "helm get values production --namespace platform --output yaml > spark-operator-values.yaml",
            "--values spark-operator-values.yaml",
            "kubectl --namespace platform delete secrets --selector owner=helm,name=production",
        ),
        (
            Deployment(tool="kubectl"),
            "write the values that you render the manifests with into spark-operator-values.yaml",
            "--values spark-operator-values.yaml",
            "kubectl deletes nothing",
        ),
        (
            Deployment(tool="kubectl", values=("own.yaml",)),
            "helm template",
            "--values own.yaml",
            "kubectl deletes nothing",
        ),
    ],
    ids=["release-of-helm", "values-unknown", "values-given"],
)
def test_manifests_are_never_rendered_without_the_values_that_are_deployed(
    deployment: Deployment, first: str, rendered: str, last: str
) -> None:
    told = [it.text for it in steps.steps(Plan(deployment=deployment, target=TARGET, crds="apply"))]
    (render,) = [it for it in told if it.startswith("helm template ")]
    assert told[0].startswith(first)
    assert rendered in render
    assert last in told[-1]
