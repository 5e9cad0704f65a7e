# SPDX-License-Identifier: Apache-2.0
"""A change by hand behind Argo CD's back: made, waited for, and undone where Argo CD does not undo it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from fake_kube import FakeKube, fake_kube

from harness.releases.argocd import objects
from harness.releases.operator_seen import Unseen
from harness.upgrades import gitops
from harness.upgrades.gitops import GitOpsSeen

LABELS = {"app.kubernetes.io/instance": "op", "app.kubernetes.io/component": "controller"}
INSTALLED: Any = SimpleNamespace(name="op", namespace="ns")


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKube]:
    monkeypatch.setattr(gitops, "HEAL_SECONDS", 0.5)
    monkeypatch.setattr(gitops, "_SETTLE_SECONDS", 0.1)
    with fake_kube() as made:
        application = objects.application("op", "ns", "http://x", "spark-operator", "2.5.2", {}, "client")
        state = {"phase": "Failed", "message": "Too long", "syncResult": {"revision": "2.5.2"}}
        made.put("applications", {**application, "status": {"operationState": state}})
        made.put("deployments", deployment(1))
        yield made


def deployment(replicas: int) -> dict[str, Any]:
    return {
        "metadata": {"name": "op-controller", "namespace": "ns", "labels": LABELS, "generation": 1, "uid": "1"},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": []}}},
        "status": {},
    }


def seen(kube: FakeKube, *, last: bool = True) -> GitOpsSeen | Unseen:
    cluster: Any = SimpleNamespace(api_client=lambda: kube.api)
    return gitops.look(cluster, INSTALLED, last=last)


def replicas(kube: FakeKube) -> int:
    return int(kube.stored["deployments"]["ns/op-controller"]["spec"]["replicas"])


def test_what_is_taken_back_is_timed(kube: FakeKube, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def healed(*words: Any, **more: Any) -> None:
        asked.append(words[3])
        kube.put("deployments", deployment(1))

    monkeypatch.setattr(gitops, "send", healed)

    found = seen(kube)

    assert asked == [{"spec": {"replicas": 2}}]
    assert isinstance(found, GitOpsSeen)
    assert isinstance(found.drift, gitops.Drift)
    assert found.drift.what == "Deployment op-controller was scaled from 1 to 2"
    assert found.drift.seconds is not None
    assert found.drift.seconds < gitops.HEAL_SECONDS


def test_what_stays_is_told_and_undone(kube: FakeKube) -> None:
    found = seen(kube)

    assert isinstance(found, GitOpsSeen)
    assert isinstance(found.drift, gitops.Drift)
    assert found.drift.seconds is None
    assert found.drift.said.message == "Too long"
    assert replicas(kube) == 1


def test_only_the_last_move_is_followed_by_one(kube: FakeKube) -> None:
    found = seen(kube, last=False)

    assert isinstance(found, GitOpsSeen)
    assert found.drift is None
    assert replicas(kube) == 1


def test_without_a_controller_nothing_is_scaled(kube: FakeKube) -> None:
    del kube.stored["deployments"]["ns/op-controller"]

    found = seen(kube)

    assert isinstance(found, GitOpsSeen)
    assert isinstance(found.drift, Unseen)


def test_without_an_application_nothing_is_known(kube: FakeKube) -> None:
    del kube.stored["applications"]["argocd/op"]

    assert isinstance(seen(kube), Unseen)
