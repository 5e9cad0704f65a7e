# SPDX-License-Identifier: Apache-2.0
"""What must hold of an operator after a move: each claim, spoilt once."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from operator_samples import DIGEST, RELEASE, operator

from harness.matrix.model import Move, Path
from harness.releases.change import Step
from harness.releases.metrics import Metrics
from harness.releases.operator_seen import Unseen
from harness.releases.soak import Soak
from harness.stories.moves import labels
from harness.stories.moves.scenarios import operator_health
from harness.upgrades.observed import MoveTimes, ObservedMove, ObservedPath
from harness.upgrades.operator_watch import LeaseHeld, OperatorWatch
from harness.upgrades.permissions import PermissionChange
from harness.upgrades.way_out import WayOutSeen
from harness.verdicts import Finding, Verdict, worst

BEGAN = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def held(pod: str) -> LeaseHeld:
    return LeaseHeld(at=at(20), renewed=at(90), lease="spark-operator-controller-lock", pod=pod, image="it")


HEALTHY = ObservedMove(
    move=Move(kind="upgrade", origin="2.4.0", target="2.5.2"),
    origin=RELEASE.model_copy(update={"version": "2.4.0"}),
    target=RELEASE,
    steps=(Step(what="upgrade", command="helm upgrade it", started=at(0), ended=at(2)),),
    times=MoveTimes(began=at(0), helm_done=at(2), settled=at(10), ended=at(100)),
    helm_error="",
    rollout_error="",
    watch=OperatorWatch(leases=(held("new"),), gap_began=at(5), gap_ended=at(25)),
    operator=operator(),
    old_pods=(),
    permissions=PermissionChange(gained=("a in x: get pods",)),
    orphans=(),
    unfit={},
    probes=(),
)


def judged(**changes: Any) -> dict[str, Finding]:
    move = dataclasses.replace(HEALTHY, **changes)
    return {it.check: it for it in operator_health.judge(move, lambda image: frozenset({DIGEST}))}


def test_a_healthy_upgrade_passes_with_its_commands_and_its_gap() -> None:
    found = judged()
    assert worst(found.values()) is Verdict.PASSED
    assert found["steps"].evidence["commands"] == ["helm upgrade it"]
    assert found["steps"].evidence["lead_gap_s"] == 20.0
    assert found["leadership-moved"].message == "there was no leader for 20.0 s"
    assert found["permissions-compared"].evidence["gained"] == ["a in x: get pods"]


@pytest.mark.parametrize(
    ("changes", "check", "says"),
    [
        ({"helm_error": "template: nil pointer"}, "move-completed", "nil pointer"),
        ({"rollout_error": "no such image", "times": dataclasses.replace(HEALTHY.times, settled=None)}, *(
            "move-completed", "Helm finished after 2.0 s, but then: no such image")),
        ({"watch": dataclasses.replace(HEALTHY.watch, gap_ended=None)}, "leadership-moved", "no controller of 2.5.2"),
        ({"old_pods": ("old-1 (docker.io/it:1)",)}, "no-old-pods", "old-1 (docker.io/it:1)"),
        ({"orphans": ("Role/x/left",)}, "no-orphans", "Role/x/left"),
        ({"unfit": {"SparkApplication/x/y": "spec.z: Required"}}, "stored-objects-fit", "spec.z: Required"),
        (
            {"operator": operator(soak=Soak(seconds=90, restarts={"spark-operator-controller-c": 3}))},
            "no-restarts",
            "c restarted 3 times",
        ),
    ],
)  # fmt: skip
def test_what_does_not_hold_is_failed(changes: dict[str, Any], check: str, says: str) -> None:
    found = judged(**changes)[check]
    assert found.verdict is Verdict.FAILED
    assert says in found.message


@pytest.mark.parametrize(
    ("part", "check"),
    [
        ("operator", "operator-observed"),
        ("old_pods", "no-old-pods"),
        ("orphans", "no-orphans"),
        ("unfit", "stored-objects-fit"),
        ("permissions", "permissions-compared"),
    ],
)
def test_what_could_not_be_looked_at_is_no_verdict_about_the_product(part: str, check: str) -> None:
    found = judged(**{part: Unseen(reason="the API server was away")})[check]
    assert (found.verdict, found.message) == (Verdict.ERROR, "the API server was away")


def test_a_watch_that_was_broken_claims_nothing_about_the_leader() -> None:
    watch = dataclasses.replace(HEALTHY.watch, trouble="leases: 403")
    assert judged(watch=watch)["leadership-moved"].verdict is Verdict.ERROR


def test_a_rollback_is_not_asked_for_the_charts_crds_which_helm_never_takes_back() -> None:
    back = Move(kind="rollback", origin="2.5.2", target="2.4.0")
    assert not {"crds-equal-chart", "crds-established"} & set(judged(move=back))
    assert {"crds-equal-chart", "crds-established"} <= set(judged())


def test_a_controller_that_crashes_is_not_asked_for_its_metrics_as_well() -> None:
    silent = operator(metrics=Unseen(reason="503"))
    assert judged(operator=silent)["metrics-served"].verdict is Verdict.ERROR
    assert "metrics-served" not in judged(operator=silent, rollout_error="it crashes")
    nobody = operator(metrics=Metrics(leading=None, why="no controller runs"))
    assert judged(operator=nobody)["metrics-served"].verdict is Verdict.FAILED
    assert "metrics-served" not in judged(operator=nobody, rollout_error="it crashes")


def test_what_helm_gave_up_is_not_asked_for_what_only_an_upgrade_brings() -> None:
    found = judged(helm_error="it failed")
    assert not {"no-old-pods", "no-orphans", "crds-equal-chart", "objects-as-rendered", "nothing-beside"} & set(found)
    assert found["leadership-moved"].verdict is Verdict.PASSED


def test_on_a_path_of_several_moves_each_check_says_which_it_is_about() -> None:
    one = ObservedPath(
        path=Path(name="it", kind="upgrade", releases=("a", "b")), moves=(HEALTHY,), workload=Unseen(reason="")
    )
    two = dataclasses.replace(one, moves=(HEALTHY, HEALTHY))
    names = [it.check for it in labels.of_moves(one, lambda move: [operator_health.steps(move)])]
    assert names == ["steps"]
    names = [it.check for it in labels.of_moves(two, lambda move: [operator_health.steps(move)])]
    assert names == ["steps (2.4.0 → 2.5.2)"] * 2


OUT = WayOutSeen(
    release="2.5.2",
    commands=("kubectl apply it", "helm upgrade it"),
    wrong="",
    differences=(),
    state="COMPLETED",
    error="",
    seconds=31.0,
)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"wrong": "it crashes"}, "kubectl apply it && helm upgrade it did not help: it crashes"),
        ({"differences": ("a: missing in the cluster",)}, "CRDs are not the chart's: a: missing in the cluster"),
        ({"state": "", "error": ""}, "a new application is (new)"),
        ({"state": "FAILED", "error": "no room"}, "a new application is FAILED: no room"),
    ],
)
def test_a_way_out_that_does_not_lead_out_is_failed(changes: dict[str, Any], says: str) -> None:
    found = operator_health.way_out(dataclasses.replace(OUT, **changes))
    assert found.verdict is Verdict.FAILED
    assert says in found.message


def test_a_way_out_is_told_with_its_commands_and_one_that_was_not_seen_is_no_verdict() -> None:
    found = operator_health.way_out(OUT)
    assert found.verdict is Verdict.PASSED
    assert found.evidence["commands"] == ["kubectl apply it", "helm upgrade it"]
    assert operator_health.way_out(Unseen(reason="away")).verdict is Verdict.ERROR
    one = ObservedPath(
        path=Path(name="it", kind="upgrade", releases=("a", "b")), moves=(HEALTHY,), workload=Unseen(reason="")
    )
    names = [
        it.check for it in operator_health.claims(dataclasses.replace(one, way_out=OUT), lambda image: frozenset())
    ]
    assert names[-1] == "way-out"
    assert "way-out" not in [it.check for it in operator_health.claims(one, lambda image: frozenset())]
