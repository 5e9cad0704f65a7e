# SPDX-License-Identifier: Apache-2.0
"""A lease whose holder is gone is looked at again for as long as nobody else may take it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import operator_samples
import pytest

from harness.kube.models import Lease
from harness.releases import lease_times
from harness.releases.observe import _Look

CONTROLLER = operator_samples.pod("controller", name="new")
HELD = Lease(name="lock", deployment="controller", holder="new", identity="new_1", transitions=1, age=1.0, duration=1)
OF_ONE_THAT_IS_GONE = replace(HELD, holder="old", identity="old_1")
STALE = replace(OF_ONE_THAT_IS_GONE, age=60.0)


def looked(monkeypatch: pytest.MonkeyPatch, *leases: Lease, leaving: bool = False) -> tuple[tuple[Lease, ...], int]:
    """What is seen when each look finds the next lease, and then the last one; and the number of looks."""
    monkeypatch.setattr(lease_times, "_BOTH_LOOKS", 0.5)
    answers: Iterator[Lease] = chain(leases, repeat(leases[-1]))
    looks: list[Lease] = []

    def now(_: Any) -> tuple[Lease, ...]:
        looks.append(next(answers))
        return (looks[-1],)

    look = object.__new__(_Look)
    monkeypatch.setattr(look, "_leases_now", now, raising=False)
    monkeypatch.setattr(look, "pods", lambda: (replace(CONTROLLER, leaving=leaving),), raising=False)
    return look.leases(()), len(looks)


def test_the_next_controller_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, _ = looked(monkeypatch, OF_ONE_THAT_IS_GONE, OF_ONE_THAT_IS_GONE, HELD)
    assert seen == (HELD,)


def test_a_lease_that_is_held_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, HELD) == ((HELD,), 1)


def test_what_nobody_takes_when_it_may_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert looked(monkeypatch, STALE) == ((STALE,), 1)


@pytest.mark.parametrize(
    ("lease", "leaving"), [(OF_ONE_THAT_IS_GONE, False), (HELD, True)], ids=["of nobody", "of one that leaves"]
)
def test_what_stays_as_it_is_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch, lease: Lease, leaving: bool) -> None:
    seen, looks = looked(monkeypatch, lease, leaving=leaving)
    assert seen == (lease,)
    assert looks > 2


def test_a_candidate_that_looks_as_late_as_it_may_has_the_lease_in_time() -> None:
    retry, jitter = 2.0, 1.2
    late = retry * (1 + jitter)
    assert 2 * late < lease_times.two_looks(())


@pytest.mark.parametrize(
    ("times", "seconds"),
    [
        ({}, 0.0),
        ({"leaseDuration": "15s", "renewDeadline": "10s", "retryPeriod": "2s"}, 0.0),
        ({"leaseDuration": "10s", "retryPeriod": "1s"}, 0.0),
        ({"leaseDuration": "1m", "renewDeadline": "40s"}, 45.0),
        ({"leaseDuration": "137s", "renewDeadline": "107s", "retryPeriod": "26s"}, 122 + 2 * 2.2 * 24),
        ({"leaseDuration": "137s", "enable": False}, 0.0),
        ({"leaseDuration": "soon"}, 0.0),
    ],
)
def test_a_user_may_let_the_next_controller_lead_later(times: dict[str, Any], seconds: float) -> None:
    assert lease_times.longer({"controller": {"leaderElection": times}}) == pytest.approx(seconds)


def test_the_looks_of_a_candidate_are_as_far_apart_as_its_arguments_say() -> None:
    argument = "--leader-election-retry-period="
    slow, usual = (operator_samples.deployment("controller", arguments=(f"{argument}{it}",)) for it in ("26s", "2s"))
    assert lease_times.two_looks([usual]) == lease_times.two_looks([])
    assert lease_times.two_looks([usual, slow]) > 2 * 26 * 2.2
