# SPDX-License-Identifier: Apache-2.0
"""Pull limits: counted for an address or a user, within a window, and told in Docker Hub's headers."""

from __future__ import annotations

import pytest
from front_clock import Clock

from harness.registries.front.limits import PullCounter, source_of
from harness.registries.front.profile import Limits

LIMITS = Limits(anonymous=2, user=3, window=21600)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def counter(clock: Clock) -> PullCounter:
    return PullCounter(clock=clock)


def test_pulls_are_counted_down_to_none(counter: PullCounter) -> None:
    seen = [counter.pull(LIMITS, user="", address="10.0.0.1") for _ in range(3)]

    assert [(it.remaining, it.counted) for it in seen] == [(1, True), (0, True), (0, False)]


def test_looking_counts_nothing(counter: PullCounter) -> None:
    assert [counter.look(LIMITS, user="", address="10.0.0.1").remaining for _ in range(3)] == [2, 2, 2]


def test_addresses_and_users_are_counted_apart(counter: PullCounter) -> None:
    counter.pull(LIMITS, user="", address="10.0.0.1")

    assert counter.look(LIMITS, user="", address="10.0.0.2").remaining == 2
    assert counter.look(LIMITS, user="robot", address="10.0.0.1").remaining == 3
    counter.pull(LIMITS, user="robot", address="10.0.0.1")
    assert counter.look(LIMITS, user="robot", address="10.0.0.9").remaining == 2


def test_the_window_begins_with_the_first_pull_and_ends(counter: PullCounter, clock: Clock) -> None:
    clock.now = 1000.0
    counter.pull(LIMITS, user="", address="10.0.0.1")
    clock.now += 21599
    last = counter.pull(LIMITS, user="", address="10.0.0.1")
    assert (last.remaining, last.retry_after) == (0, 1)
    clock.now += 1
    assert counter.look(LIMITS, user="", address="10.0.0.1").remaining == 2


def test_a_pull_that_found_nothing_is_given_back(counter: PullCounter) -> None:
    counter.refund(counter.pull(LIMITS, user="", address="10.0.0.1"))
    assert counter.look(LIMITS, user="", address="10.0.0.1").remaining == 2


def test_the_headers_are_docker_hubs(counter: PullCounter) -> None:
    assert counter.pull(LIMITS, user="", address="10.0.0.1").headers == {
        "ratelimit-limit": "2;w=21600",
        "ratelimit-remaining": "1;w=21600",
        "docker-ratelimit-source": "10.0.0.1",
    }


def test_ipv6_is_counted_by_its_network_and_a_user_by_an_id() -> None:
    assert source_of("", "2001:db8:1:2:3::4") == source_of("", "2001:db8:1:2::9") == "2001:db8:1:2::"
    assert source_of("robot", "10.0.0.1") == source_of("robot", "10.0.0.2") != source_of("other", "10.0.0.1")
    assert "robot" not in source_of("robot", "10.0.0.1")
