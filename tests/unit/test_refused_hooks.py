# SPDX-License-Identifier: Apache-2.0
"""Hooks whose pods the API server refuses: told before what Helm says, and waited for no longer than may help."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_kube import FakeKube, fake_kube

from harness.errors import ReleaseError
from harness.releases import refused_hooks
from harness.releases.helm import HelmError
from harness.releases.refused_hooks import PATIENCE_SECONDS, QUOTA_SECONDS, Refusal
from harness.releases.rollout import run_way
from harness.releases.ways.protocol import Put
from harness.waiting import Deadline, until

NAMESPACE = "spark-operator"
FORBIDDEN = 'Error creating: pods "hook-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true'
TOLD = f"the Job hook of a hook cannot create its pod: {FORBIDDEN}"
TIMED_OUT = "helm install spark-operator failed: failed pre-install: timed out waiting for the condition"
HOOK = {"helm.sh/hook": "pre-install,pre-upgrade"}


@pytest.fixture
def kube() -> Iterator[FakeKube]:
    with fake_kube() as made:
        yield made


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_hooks, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(refused_hooks, "PATIENCE_SECONDS", 0.2)


def refuse(
    kube: FakeKube, *, times: int = 3, said: str = FORBIDDEN, annotations: dict[str, str] = HOOK, **status: int
) -> None:
    """A Job, and as many events about it as the Job controller makes: one for each pod, whose name is always new."""
    meta = {"name": "hook", "namespace": NAMESPACE, "uid": "1"}
    kube.put("jobs", {"metadata": {**meta, "annotations": annotations}, "status": status})
    for number in range(times):
        kube.put(
            "events",
            {
                "metadata": {**meta, "name": f"hook.{number}"},
                "reason": "FailedCreate",
                "involvedObject": {"kind": "Job", "name": "hook", "uid": "1"},
                "message": said,
            },
        )


def helm(act: Callable[[], None], ends: list[bool], *, seconds: float = 5) -> Callable[[float, threading.Event], Put]:
    """Helm that makes its hook and waits for it; `ends` gets whether it was ended before its time."""

    def call(_: float, stop: threading.Event) -> Put:
        act()
        ends.append(stop.wait(seconds))
        raise HelmError("helm install failed: context canceled" if ends[-1] else TIMED_OUT, "look", stderr="it")

    return call


@pytest.mark.usefixtures("impatient")
def test_a_hook_that_is_refused_again_and_again_ends_the_wait(kube: FakeKube) -> None:
    ends: list[bool] = []
    with pytest.raises(ReleaseError) as raised:
        run_way(kube.api, NAMESPACE, frozenset(), Deadline(seconds=60), helm(lambda: refuse(kube), ends, seconds=30))
    assert ends == [True]
    assert raised.value.message.startswith(f"{TOLD}; the wait for it was ended after ")
    assert 'of 60 s: Helm would have said "timed out waiting for the condition"' in raised.value.message
    assert raised.value.next_step == f"kubectl -n {NAMESPACE} get events --field-selector reason=FailedCreate"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("refusal", "told"),
    [
        pytest.param({"times": 2}, True, id="twice: the next try may succeed"),
        pytest.param({"said": "Error creating: Internal error occurred: failed calling webhook"}, True, id="webhook"),
        pytest.param({"annotations": {}}, False, id="no hook"),
        pytest.param({"active": 1}, False, id="it has a pod by now"),
        pytest.param({"failed": 1}, False, id="it has had a pod"),
    ],
)
def test_any_other_hook_gets_the_time_that_helm_gives_it(kube: FakeKube, refusal: dict[str, Any], told: bool) -> None:
    ends: list[bool] = []
    with pytest.raises(HelmError) as raised:
        run_way(
            kube.api,
            NAMESPACE,
            frozenset(),
            Deadline(seconds=60),
            helm(lambda: refuse(kube, **refusal), ends, seconds=1),
        )
    assert ends == [False]
    said = refusal.get("said", FORBIDDEN)
    cause = f"the Job hook of a hook cannot create its pod: {said}; " if told else ""
    assert raised.value.message == f"{cause}{TIMED_OUT}"
    assert (raised.value.next_step, raised.value.stderr) == ("look", "it")


@pytest.mark.usefixtures("impatient")
def test_a_job_that_another_call_left_behind_says_nothing_about_this_one(kube: FakeKube) -> None:
    refuse(kube)
    ends: list[bool] = []
    with pytest.raises(HelmError) as raised:
        run_way(kube.api, NAMESPACE, frozenset(), Deadline(seconds=60), helm(lambda: None, ends, seconds=1))
    assert (ends, raised.value.message) == ([False], TIMED_OUT)


@pytest.mark.usefixtures("impatient")
def test_a_call_that_ended_well_in_the_last_moment_counts(kube: FakeKube) -> None:
    def call(_: float, stop: threading.Event) -> Put:
        refuse(kube)
        stop.wait(30)
        return Put(revision=2)

    assert run_way(kube.api, NAMESPACE, frozenset(), Deadline(seconds=60), call) == Put(revision=2)


@pytest.mark.usefixtures("impatient")
def test_a_pod_that_comes_after_all_is_waited_for(kube: FakeKube) -> None:
    """A policy that was taken back: the patience for a refusal begins anew."""
    watch = refused_hooks.Watch(kube.api, NAMESPACE)
    refuse(kube)
    assert watch.hopeless() == ""
    refuse(kube, times=0, active=1)
    until(lambda: watch._next.left, lambda left: not left, what="the next look", timeout=5, interval=0.01)
    assert watch.hopeless() == ""
    assert not watch._since


@pytest.mark.parametrize(
    ("said", "patience"),
    [
        (FORBIDDEN, PATIENCE_SECONDS),
        (
            'pods "x" is forbidden: failed quota: all: must specify limits.cpu for: hook',
            PATIENCE_SECONDS,
        ),
        (
            'pods "x" is forbidden: exceeded quota: all, requested: pods=1, used: pods=4, limited: pods=4',
            QUOTA_SECONDS,
        ),
        ('admission webhook "validate.kyverno.svc-fail" denied the request: run as another user', PATIENCE_SECONDS),
        (
            "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'users' with binding 'users' denied request: no root",
            PATIENCE_SECONDS,
        ),
        ('Internal error occurred: failed calling webhook "x": connection refused', float("inf")),
        ("etcdserver: request timed out", float("inf")),
    ],
)
def test_how_long_a_refusal_is_waited_out(said: str, patience: float) -> None:
    assert Refusal(job="hook", uid="1", said=said, times=3).patience == patience
    assert Refusal(job="hook", uid="1", said=said, times=2).patience == float("inf")
