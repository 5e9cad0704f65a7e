# SPDX-License-Identifier: Apache-2.0
"""Values that Helm renders and that nobody can use are the user's mistake, told before there is a cluster.

Helm is a stand-in that renders nothing, or refuses: what the chart has is known from the shipped facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
from run_fakes import CATALOGUE
from test_change import CHART

from harness.matrix import chart_facts
from harness.releases import fitting
from harness.releases.fitting import Fit, Given
from harness.releases.helm import Helm, HelmError
from harness.releases.on_path import ReleaseOnPath
from harness.run import values_fit
from harness.verdicts import Finding, Verdict


class NoHelm:
    """Renders nothing; with users' values it may refuse."""

    def __init__(self, refuses: str = "") -> None:
        self._refuses = refuses

    def template(self, chart: object, name: str, namespace: str, values: Mapping[str, Any], **_: Any) -> list[Any]:
        if self._refuses and set(values) - {"spark"}:
            raise HelmError(self._refuses)
        return []


@pytest.fixture(autouse=True)
def facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "defaults", lambda chart: chart_facts.values("2.5.2"))


def look(values: Mapping[str, Any], *, refuses: str = "", releases: tuple[str, ...] = ("2.5.2",)) -> Fit | Finding:
    given = Given(name="it", namespace="it", own=[{}], users=[values], job_namespaces=["a"], files=["prod.yaml"])
    on_path = {it: ReleaseOnPath(release=CATALOGUE.release(it), chart=CHART, values={}) for it in releases}
    return values_fit.look(given, cast(Helm, NoHelm(refuses)), on_path)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"controller": {"driverPodCreationGracePeriod": 10}}, "is 10 without a unit"),
        ({"controller": {"workers": "many"}}, 'is the text "many", and in the chart of 2.5.2 a number'),
        ({"controller": {"featureGates": [{"name": "Fast", "enabled": True}]}}, "has Fast, which is none of"),
        ({"controller": {"logLevel": "trace"}}, "is trace, and may be debug, info, error, panic"),
        ({"spark": {"jobNamespaces": ["Team_A"]}}, "has Team_A, which is no name of a namespace"),
        ({"spark": {"jobNamespaces": ["${NS}"]}}, "has ${NS}, which is no name of a namespace"),
        ({"webhook": {"port": 8080}}, "is 8080, and so is prometheus.metrics.port"),
    ],
)
def test_what_helm_renders_and_nobody_can_use_is_no_fault_of_the_release(values: dict[str, Any], said: str) -> None:
    found = look(values)
    assert isinstance(found, Finding)
    assert found.verdict is Verdict.ERROR
    assert found.message.startswith("the values of --values (prod.yaml) do not fit the chart of 2.5.2: ")
    assert said in found.message
    assert "\n  next: " in found.message


def test_what_helm_stumbles_over_is_told_by_its_key() -> None:
    found = look({"controller": 3}, refuses="can't evaluate field serviceAccount in type interface {}")
    assert isinstance(found, Finding)
    assert "controller is a number, and in the chart of 2.5.2 a map\n  next: write controller as a map" in found.message
    unexplained = look({"controller": {"labels": {"a": "b"}}}, refuses="some template ends")
    assert isinstance(unexplained, Finding)
    assert "some template ends" in unexplained.message


@pytest.mark.parametrize("nothing", ["", {}, []])
def test_nothing_is_of_any_kind(nothing: object) -> None:
    parts = {"affinity": nothing, "tolerations": nothing, "nodeSelector": nothing, "annotations": nothing}
    assert look({"controller": parts}) == Fit()


def test_keys_that_have_no_effect_are_told() -> None:
    found = look({"sparkJobNamespaces": ["a"], "replicaCount": 2, "x-pool": {"a": "b"}, "_pool": {}})
    assert isinstance(found, Fit)
    words = "sparkJobNamespaces, replicaCount are not in the chart of 2.5.2: Helm accepts them, without effect"
    assert found.told == (words,)
