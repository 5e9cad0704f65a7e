# SPDX-License-Identifier: Apache-2.0
"""What other checks stand on: namespaces, clocks, the pace of the API server; and who is to blame for each."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fake_api_server import api_server
from operator_samples import operator

from harness.checks import footing as checks
from harness.errors import HarnessError
from harness.releases import footing
from harness.releases.footing import Footing, Pace
from harness.verdicts import Verdict


def test_namespaces_and_clocks_are_looked_at(tmp_path: Path) -> None:
    def lease(node: str, ahead: float) -> dict[str, object]:
        at = datetime.now(UTC) + timedelta(seconds=ahead)
        return {"metadata": {"name": node}, "spec": {"renewTime": at.isoformat()}}

    stuck = {"status": "True", "message": "Some content has finalizers remaining: harness/stays in 1 resource"}
    fine = {"status": "False", "message": "All content removed"}
    answers = {
        "a": (200, json.dumps({"status": {"phase": "Active"}})),
        "b": (200, json.dumps({"status": {"phase": "Terminating", "conditions": [fine, stuck]}})),
        "c": (404, "{}"),
    }
    new: dict[str, object] = {"metadata": {"name": "new"}, "spec": {}}
    objects = {"leases": [lease("one", -4.0), lease("two", 3600.0), new]}
    with api_server(tmp_path, objects, answers) as cluster, cluster.api_client() as api:
        seen = footing.look(api, ["a", "b", "c"])
    assert seen.namespaces == {"a": "Active", "b": f"Terminating: {stuck['message']}", "c": "gone"}
    assert seen.ahead.keys() == {"one", "two"}
    assert seen.ahead["one"] < 0 < 60 < seen.ahead["two"] <= 3600


@pytest.mark.parametrize("phase", ["Terminating: Some content has finalizers remaining", "gone"])
def test_a_namespace_that_takes_no_objects_is_no_fault_of_the_operator(phase: str) -> None:
    found = checks.namespaces_active(operator(footing=Footing(namespaces={"a": "Active", "b": phase}, ahead={})))
    assert found.verdict is Verdict.ERROR
    assert f"b is {phase}" in found.message


def test_a_clock_that_is_ahead_proves_nothing_about_the_operator() -> None:
    found = checks.clocks_agree(operator(footing=Footing(namespaces={}, ahead={"one": -9.0, "two": 90.4})))
    assert found.verdict is Verdict.ERROR
    assert found.message.endswith("that of node two is 90 s ahead")


@pytest.mark.parametrize(
    ("plain", "asked", "verdict", "words"),
    [
        (0.1, (4.9, 0.1), Verdict.PASSED, "took up to 4.9 s"),
        (3.0, (4.0, 0.1), Verdict.PASSED, "took up to 4.0 s"),
        (0.1, (8.2, 0.1, 8.1), Verdict.FAILED, "the webhook is slow"),
        (3.0, (8.2, 8.1), Verdict.ERROR, "the API server itself is slow"),
        (5.9, (0.1, 0.1), Verdict.ERROR, "the API server itself is slow"),
        (
            0.0,
            (6.1, 0.1, 0.1, 5.9),
            Verdict.ERROR,
            "2 of 4 admissions were slow, as where the API server itself is slow",
        ),
    ],
)
def test_who_is_slow_is_to_blame(plain: float, asked: tuple[float, ...], verdict: Verdict, words: str) -> None:
    found = checks.admission_in_time(operator(pace=Pace(plain=(0.0, plain), asked=asked)))
    assert found.verdict is verdict
    assert words in found.message


def test_the_pace_is_that_of_every_dry_run(tmp_path: Path) -> None:
    with api_server(tmp_path, {}) as cluster, cluster.api_client() as api:
        watch = footing.Stopwatch(api, "a")
        with pytest.raises(HarnessError, match="no dry run"):
            watch.pace()
        watch.plain()
        watch.asked(2.0)
        watch.asked(1.0)
        pace = watch.pace()
    assert pace.asked == (2.0, 1.0)
    assert [0 < it < 10 for it in pace.plain] == [True]


@pytest.mark.parametrize(("ahead", "says"), [(40.0, "is 40 s ahead"), (-40.0, "is 40 s behind"), (-3.0, "")])
def test_an_api_server_with_another_clock_proves_nothing(ahead: float, says: str) -> None:
    found = checks.clocks_agree(operator(footing=Footing(namespaces={}, ahead={}, server_ahead=ahead)))
    assert (found.verdict is Verdict.ERROR) is bool(says)
    assert says in found.message


@pytest.mark.parametrize("seconds", [-40, 0, 40])
def test_the_api_servers_clock_is_read_from_its_answers(tmp_path: Path, seconds: int) -> None:
    with api_server(tmp_path, {}, clock_ahead=seconds) as cluster, cluster.api_client() as api:
        assert abs(footing.look(api, []).server_ahead - seconds) < 2
