# SPDX-License-Identifier: Apache-2.0
"""gitops: what Argo CD says, held against what was seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import path_samples
import pytest

from harness.releases.argocd.application import Said
from harness.releases.operator_seen import Unseen
from harness.stories.moves.scenarios import gitops, operator_health
from harness.upgrades.gitops import Drift, GitOpsSeen
from harness.upgrades.observed import ObservedMove
from harness.verdicts import Finding, Verdict

GOOD = Said(
    sync="Synced",
    health="Healthy",
    revision="2.5.2",
    phase="Succeeded",
    message="successfully synced (all tasks run)",
    operation="2.5.2",
    hooks=("PreSync Job/hook: Succeeded",),
)
STUCK = replace(GOOD, sync="OutOfSync", phase="Failed", message="reason: Too long", failed=("CRD/x: Too long",))
HEALED = Drift(what="Deployment c was scaled from 1 to 2", seconds=1.2, said=GOOD)


def move(**seen: Any) -> ObservedMove:
    return replace(path_samples.path().moves[0], **seen)


def judged(**seen: Any) -> dict[str, Finding]:
    return {it.check: it for it in gitops.judge(move(**seen))}


def test_all_is_well_where_argo_cd_says_so_and_the_operator_works() -> None:
    found = judged(gitops=GitOpsSeen(said=GOOD, drift=HEALED))

    assert {it.verdict for it in found.values()} == {Verdict.PASSED}
    assert found["argocd-synced"].evidence["hooks"] == ["PreSync Job/hook: Succeeded"]
    assert "took it back after 1.2 s" in found["self-heal"].message


def test_a_sync_that_failed_is_told_with_the_objects_that_it_failed_at() -> None:
    found = judged(gitops=GitOpsSeen(said=STUCK), helm_error="Argo CD: Too long")

    assert found["argocd-synced"].verdict is Verdict.FAILED
    assert "CRD/x: Too long" in found["argocd-synced"].message
    # It does not claim that the new release is there.
    assert found["argocd-tells-the-truth"].verdict is Verdict.PASSED
    assert "does not work" in found["argocd-tells-the-truth"].message


def test_another_version_than_was_asked_for_is_not_synced() -> None:
    assert judged(gitops=GitOpsSeen(said=replace(GOOD, revision="2.4.0")))["argocd-synced"].verdict is Verdict.FAILED


def test_healthy_while_nothing_works_is_told() -> None:
    found = judged(gitops=GitOpsSeen(said=GOOD), rollout_error="the controller crashes")

    assert found["argocd-tells-the-truth"].verdict is Verdict.FAILED
    said = "Argo CD says Synced, Healthy, sync Succeeded; 2.5.2 does not work"
    assert said in found["argocd-tells-the-truth"].message


def test_a_change_by_hand_that_stays_is_told_with_what_argo_cd_says() -> None:
    found = judged(gitops=GitOpsSeen(said=STUCK, drift=replace(HEALED, seconds=None, said=STUCK)))

    assert found["self-heal"].verdict is Verdict.FAILED
    assert "left it so; it says: OutOfSync" in found["self-heal"].message


@pytest.mark.parametrize("seen", [None, Unseen(reason="away"), GitOpsSeen(said=GOOD, drift=Unseen(reason="away"))])
def test_what_was_not_seen_proves_nothing(seen: GitOpsSeen | Unseen | None) -> None:
    assert Verdict.ERROR in {it.verdict for it in gitops.judge(move(gitops=seen))}


@pytest.mark.parametrize(
    ("way", "who"),
    [
        ("helm", "Helm"),
        ("helm4", "Helm"),
        ("kubectl", "kubectl"),
        ("kustomize", "kubectl"),
        ("overlay", "kubectl"),
        ("argocd-client", "Argo CD"),
    ],
)
def test_a_move_names_who_made_it(way: str, who: str) -> None:
    made = path_samples.path().moves[0].move.model_copy(update={"way": way})

    assert operator_health.completed(move(move=made, helm_error="x")).message.startswith(f"{who} did not get")
    assert operator_health.completed(move(move=made)).message.startswith(f"{who} finished")
