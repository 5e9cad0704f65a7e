# SPDX-License-Identifier: Apache-2.0
"""Scripted faults: which requests they meet, how often, and how long."""

from __future__ import annotations

import asyncio
import time

import pytest
from front_clock import Clock

from harness.errors import UsageError
from harness.registries.front.faults import Bucket, Fault, FaultPlan
from harness.registries.front.server import fault_of


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def plan(clock: Clock) -> FaultPlan:
    return FaultPlan(clock=clock)


def strikes(plan: FaultPlan, times: int, repository: str = "a/b") -> list[bool]:
    return [plan.strike("GET", "manifests", repository).of("status") is not None for _ in range(times)]


def test_a_fault_strikes_as_often_as_it_says(plan: FaultPlan) -> None:
    plan.add(Fault(kind="status", status=503, count=2))
    assert strikes(plan, 3) == [True, True, False]
    assert plan.active() == []


def test_a_fault_lasts_as_long_as_it_says(plan: FaultPlan, clock: Clock) -> None:
    plan.add(Fault(kind="status", status=503, lasts=10))
    clock.now = 9.9
    assert strikes(plan, 2) == [True, True]
    clock.now = 10.0
    assert strikes(plan, 1) == [False]


def test_a_fault_meets_its_repositories_only(plan: FaultPlan) -> None:
    plan.add(Fault(kind="status", status=404, repository="kubeflow/*", count=1))
    assert strikes(plan, 1, "other/app") == [False]
    assert strikes(plan, 2, "kubeflow/spark-operator/controller") == [True, False]


def test_what_was_set_first_strikes_first_and_kinds_add_up(plan: FaultPlan) -> None:
    plan.add(Fault(kind="status", status=500, count=1))
    plan.add(Fault(kind="status", status=503))
    plan.add(Fault(kind="latency", seconds=1))
    first, second = plan.strike("GET", "blobs", "a"), plan.strike("GET", "blobs", "a")

    assert [it.of("status").status for it in (first, second) if it.of("status")] == [500, 503]  # type: ignore[union-attr]
    assert first.of("latency") == Fault(kind="latency", seconds=1)
    assert first.words == "latency 1 s; status 500"


def test_content_is_spoilt_only_where_content_is_read(plan: FaultPlan) -> None:
    plan.add(Fault(kind="cut"))
    assert plan.spoil("HEAD", "blobs", "a").of("cut") is None
    assert plan.spoil("GET", "manifests", "a").of("cut") is None
    assert plan.spoil("GET", "blobs", "a").of("cut") is not None


def test_a_request_that_may_yet_be_refused_uses_up_no_spoiling(plan: FaultPlan) -> None:
    plan.add(Fault(kind="wrong-digest", count=1))
    assert plan.strike("GET", "manifests", "a").of("wrong-digest") is None
    assert plan.spoil("GET", "manifests", "a").of("wrong-digest") is not None
    assert plan.active() == []


def test_the_token_service_fails_only_when_asked_to(plan: FaultPlan) -> None:
    plan.add(Fault(kind="status", status=503))
    assert plan.strike("GET", "token", "").of("status") is None
    plan.add(Fault(kind="status", status=503, target="token"))
    assert plan.strike("GET", "token", "").of("status") is not None


def test_a_certificate_expires_for_so_many_handshakes(plan: FaultPlan) -> None:
    plan.add(Fault(kind="expired-certificate", count=1))
    assert plan.strike("GET", "manifests", "a").of("expired-certificate") is None
    assert [plan.certificate_expired(), plan.certificate_expired()] == [True, False]


def test_mending_ends_everything(plan: FaultPlan) -> None:
    plan.add(Fault(kind="status", status=503))
    plan.clear()
    assert strikes(plan, 1) == [False]


@pytest.mark.parametrize(
    ("details", "said"),
    [
        ({"kind": "stauts"}, "kind"),
        ({"kind": "status"}, "status needs status"),
        ({"kind": "status", "status": 418}, "status 418 is not one of 401, 403, 404, 429, 500, 503"),
        ({"kind": "cut", "status": 500}, "cut takes no status"),
        ({"kind": "bandwidth"}, "bandwidth needs rate"),
        ({"kind": "latency"}, "latency needs `seconds`"),
        ({"kind": "status", "status": 500, "after": 3}, "status does not take `after`"),
        ({"kind": "latency", "seconds": 1, "retry_after": 3}, "latency takes no retry_after"),
        ({"kind": "cut", "count": 0}, "count"),
        ({"kind": "cut", "repo": "x"}, "repo"),
    ],
)
def test_what_cannot_be_is_refused(details: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match="invalid fault") as raised:
        fault_of(details)
    assert said in str(raised.value)


def test_bandwidth_is_shared_by_all_that_use_it() -> None:
    async def two() -> float:
        bucket = Bucket(100_000)
        began = time.monotonic()
        await asyncio.gather(*(bucket.take(10_000) for _ in range(2)))
        return time.monotonic() - began

    assert asyncio.run(two()) >= 0.2
