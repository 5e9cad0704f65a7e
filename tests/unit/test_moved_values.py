# SPDX-License-Identifier: Apache-2.0
"""A move that does not get to its end because of the user's values, which the release before it took.

The charts, the host and what was asked for are stand-ins; what judges the values is real.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from advice_samples import CATALOGUE
from path_samples import path
from test_change import CHART
from test_values_fit import NoHelm

from harness.matrix import chart_facts
from harness.releases import fitting
from harness.releases.home import Home
from harness.releases.on_path import ReleaseOnPath
from harness.run import ground, plan
from harness.stories.moves.path import by_values
from harness.verdicts import Finding, Verdict, errored, failed

NEW = ReleaseOnPath(release=CATALOGUE.release("2.5.2"), chart=CHART, values={})
LATE = failed("move-completed", "release 2.5.2 was not ready within 150 s; last seen: pod a Pending")


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What is said of a move with these values."""
    monkeypatch.setattr(fitting, "defaults", lambda chart: chart_facts.values("2.5.2"))
    monkeypatch.setattr(plan, "job_namespaces", lambda attempts: ["a"])
    monkeypatch.setattr(ground, "Helm", lambda program: NoHelm())

    def act(values: dict[str, Any], *, finding: Finding = LATE, existing: object = None) -> Finding:
        options = SimpleNamespace(values=[Path("prod.yaml")], exact_values=False, values_key=None)
        home = Home(name="it", namespace="it")
        asked = SimpleNamespace(home=home, profile=(), users=(values,), options=options, existing=existing)
        host = SimpleNamespace(
            result=SimpleNamespace(cpus=2, memory_mib=4096),
            tools={"helm": SimpleNamespace(path=Path("helm"))},
            choice=SimpleNamespace(kind="foundry"),
        )
        environment = SimpleNamespace(kubernetes_from=lambda kind: "1.34.0")
        attempts = [SimpleNamespace(cell=SimpleNamespace(environment=environment))]
        return ground.Ground(cast(Any, asked), cast(Any, host), cast(Any, attempts)).moved(finding, NEW)

    return act


@pytest.mark.parametrize("existing", [None, object()])
def test_values_that_only_the_new_chart_does_not_take_are_the_reason(moved: Any, existing: object) -> None:
    found = moved({"controller": {"workers": "many"}}, existing=existing)
    assert found.verdict is Verdict.ERROR
    assert found.message.startswith("the values of --values (prod.yaml) do not fit the chart of 2.5.2: ")


def test_what_the_values_are_not_the_reason_of_stays_the_releases(moved: Any) -> None:
    assert moved({"controller": {"workers": 4}}) == LATE
    assert moved({}) == LATE
    fixed = failed("move-completed", 'Deployment.apps "it" is invalid: spec.selector: field is immutable')
    assert moved({"controller": {"workers": 4}}, finding=fixed) == fixed


@pytest.mark.parametrize(
    ("came", "number"),
    [
        ({"rollout_error": "crashes"}, 1),
        ({"helm_error": "UPGRADE FAILED"}, 1),
        ({"rollout_error": "no registry", "outside": True}, 0),
        ({}, 0),
    ],
)
def test_a_move_that_got_to_its_end_or_was_stopped_from_outside_is_not_asked_about(
    came: dict[str, Any], number: int
) -> None:
    observed = path()
    observed = replace(observed, moves=tuple(replace(it, **came) for it in observed.moves))
    run = SimpleNamespace(blamed=lambda finding, release: errored("values-fit", f"{release}: {finding.message}"))
    found = by_values(cast(Any, run), cast(Any, SimpleNamespace(releases={"2.5.2": "new"})), observed)
    assert len(found) == number
    assert all(it.message == f"new: {came.get('helm_error') or came.get('rollout_error')}" for it in found)
