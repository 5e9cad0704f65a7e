# SPDX-License-Identifier: Apache-2.0
"""What cells of one cluster share must be as each of them found it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.cleanliness import left_clean
from harness.releases.shared import SharedState
from harness.verdicts import Verdict

BEFORE = SharedState(
    objects=frozenset(
        {"Namespace/spark-pi", "ClusterRole/spark-operator", "CustomResourceDefinition/sparkapplications"}
    ),
    generations={"spark-operator-controller": 1},
    restarts={"spark-operator-controller-6d-x": 0},
)


def test_a_cluster_that_is_as_before_is_clean() -> None:
    found = left_clean(BEFORE, BEFORE)

    assert found.verdict is Verdict.PASSED
    assert "3 cluster-scoped objects" in found.message


@pytest.mark.parametrize(
    ("after", "says"),
    [
        (replace(BEFORE, objects=BEFORE.objects | {"ClusterRole/stray"}), "left behind: ClusterRole/stray"),
        (replace(BEFORE, objects=BEFORE.objects | {"Namespace/other"}), "left behind: Namespace/other"),
        (replace(BEFORE, objects=BEFORE.objects - {"ClusterRole/spark-operator"}), "gone: ClusterRole/spark-operator"),
        (replace(BEFORE, generations={"spark-operator-controller": 2}), "spark-operator-controller was changed"),
        (replace(BEFORE, restarts={"spark-operator-controller-6d-x": 1}), "spark-operator-controller-6d-x restarted"),
        (replace(BEFORE, restarts={"spark-operator-controller-6d-y": 0}), "spark-operator-controller-6d-x is gone"),
        (replace(BEFORE, restarts={**BEFORE.restarts, "extra": 0}), "the operator has a new pod extra"),
    ],
)
def test_what_a_cell_did_to_the_others_is_named(after: SharedState, says: str) -> None:
    found = left_clean(BEFORE, after)

    assert found.verdict is Verdict.FAILED
    assert says in found.message


def test_what_is_named_after_a_cell_that_still_runs_is_its_own_matter() -> None:
    after = replace(BEFORE, objects=BEFORE.objects | {"Namespace/namespaces-unlisted"})

    assert left_clean(BEFORE, after, others=["namespaces"]).verdict is Verdict.PASSED
    assert left_clean(BEFORE, after, others=["name"]).verdict is Verdict.FAILED


def test_in_a_cluster_of_others_only_what_can_be_the_runs_counts() -> None:
    came = {"Namespace/ci-4711", "PersistentVolume/pvc-1"}
    after = replace(BEFORE, objects=(BEFORE.objects | came) - {"Namespace/spark-pi"})

    def mine(thing: str) -> bool:
        return "spark-operator" in thing

    assert left_clean(BEFORE, after, mine=mine).verdict is Verdict.PASSED
    left = replace(after, objects=after.objects | {"ClusterRole/spark-operator-x"})
    assert left_clean(BEFORE, left, mine=mine).message == "left behind: ClusterRole/spark-operator-x"
