# SPDX-License-Identifier: Apache-2.0
"""What is said of webhooks that behave as those of real releases do: on an install, and where a move did not happen."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from operator_samples import crd_spec
from scripted_webhook import serving

from harness.checks import admission, logs
from harness.kube.models import Crd, Log
from harness.matrix import catalogue
from harness.releases.operator_seen import ObservedOperator, Unseen
from harness.verdicts import Finding, Verdict

VERSIONS = [it.version for it in catalogue.load().releases]
NEW_FIELD = "dynamicAllocation.shuffleTrackingEnabled"
ELECTION = (
    'events is forbidden: User "system:serviceaccount:spark-operator:spark-operator-controller" cannot create resource '
    '"events" in API group "" in the namespace "spark-operator"'
)


def judged(observed: ObservedOperator) -> dict[str, Finding]:
    return {it.check: it for it in (admission.mutates(observed), admission.rejects(observed))}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_healthy_release_passes_by_its_own_defaults_and_rules(version: str) -> None:
    found = judged(serving(version))
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}, found
    filled = found["admission-mutates"].evidence["filled_in"]
    assert ("executor.instances" in filled["bare"]) == (version >= "2.2.0")
    assert "executor.instances" in filled["with a sparkConf"]


@pytest.mark.parametrize(
    ("installed", "answers", "says"),
    [
        ("2.2.0", "2.1.1", "bare: executor.instances is None instead of 1"),
        ("2.1.1", "2.2.0", "bare: executor.instances is 1 instead of None"),
        ("2.1.1", "2.0.2", "driver.cores is 1 instead of None"),
        ("2.5.2", "2.3.0", "executor.memory is None instead of '1g'"),
    ],
)
def test_a_webhook_that_does_what_another_release_does_fails(installed: str, answers: str, says: str) -> None:
    other = serving(answers)
    found = admission.mutates(serving(installed, sample_attempts=other.sample_attempts))
    assert found.verdict is Verdict.FAILED
    assert says in found.message


@pytest.mark.parametrize(
    ("path", "installed", "others", "answers"),
    [
        ("pinned-registry", "2.5.2", ("2.1.1",), "2.1.1"),
        ("pinned-registry, the old one without the old CRDs", "2.2.1", ("2.1.1",), "2.1.1"),
        ("reuse, which Helm gives up", "2.1.1", ("2.5.2",), ""),
        ("CRDs none, crash of the controller alone", "2.5.2", ("2.1.1",), ""),
        ("rollback that does not roll out", "2.1.1", ("2.5.2",), "2.5.2"),
        ("rollback", "2.1.1", ("2.5.2",), ""),
    ],
)
def test_the_release_that_answers_is_judged_and_not_the_one_that_was_wanted(
    path: str, installed: str, others: tuple[str, ...], answers: str
) -> None:
    found = judged(serving(installed, others=others, webhook=answers))
    assert {it.verdict for it in found.values()} == {Verdict.PASSED}, found
    assert f"the webhook of {answers or installed} " in found["admission-mutates"].message


def test_rules_that_only_another_release_has_are_not_asked_for() -> None:
    old = judged(serving("2.5.2", others=("2.1.1",), webhook="2.1.1"))["admission-rejects"]
    new = judged(serving("2.5.2", others=("2.1.1",)))["admission-rejects"]
    assert old.message == "refused by name: one node selector"
    assert "sparkConf key managed by the operator" in new.message


def test_an_image_of_a_users_own_is_told_by_the_replica_set() -> None:
    observed = serving("2.5.2", others=("2.1.1",), webhook="2.1.1")
    assert not isinstance(observed.pods, Unseen)
    pods = tuple(
        dataclasses.replace(
            it, containers=tuple(dataclasses.replace(c, image="registry.example/op:ours") for c in it.containers)
        )
        for it in observed.pods
    )
    assert admission.mutates(dataclasses.replace(observed, pods=pods)).verdict is Verdict.PASSED


@pytest.mark.parametrize(("lacks", "verdict"), [((NEW_FIELD,), Verdict.PASSED), ((), Verdict.FAILED)])
def test_a_field_that_the_old_crds_do_not_know_is_not_missed(lacks: tuple[str, ...], verdict: Verdict) -> None:
    crds = (Crd(name="sparkapplications.sparkoperator.k8s.io", established=True, spec=crd_spec(lacks=lacks)),)
    assert admission.mutates(serving("2.5.2", unknown=(NEW_FIELD,), crds=crds)).verdict is verdict


@pytest.mark.parametrize(
    ("others", "webhook", "verdict"), [(("2.1.1",), "2.1.1", Verdict.PASSED), ((), "", Verdict.FAILED)]
)
def test_noise_is_that_of_the_release_that_a_pod_runs(others: tuple[str, ...], webhook: str, verdict: Verdict) -> None:
    names = {"2.1.1": "spark-operator-controller-old-1", "": "spark-operator-controller-new-1"}
    log: tuple[Any, ...] = (Log(pod=names[webhook], container="c", text=ELECTION),)
    assert logs.clean(serving("2.5.2", others=others, webhook=webhook, logs=log)).verdict is verdict


def test_a_release_of_which_nothing_is_known_is_no_verdict() -> None:
    observed = serving("2.5.2")
    bare = observed.release.model_copy(update={"defaults": (), "rules": ()})
    found = judged(dataclasses.replace(observed, release=bare))
    assert {it.verdict for it in found.values()} == {Verdict.ERROR}
