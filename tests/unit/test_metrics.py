# SPDX-License-Identifier: Apache-2.0
"""Metrics: which names are due after what has happened."""

from __future__ import annotations

from typing import Any

from harness.matrix import catalogue
from harness.releases.metrics import Moments, due, parse


def _app(state: str, **status: Any) -> dict[str, Any]:
    if state:
        status["applicationState"] = {"state": state}
    return {"metadata": {"uid": "1"}, "status": status}


def _pod(uid: str, phase: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "status": {"phase": phase}}


def test_families_are_read_from_type_lines() -> None:
    text = '# HELP a b\n# TYPE a counter\na{x="1"} 2\n# TYPE b_seconds histogram\n'
    assert parse(text) == {"a": "counter", "b_seconds": "histogram"}


def test_names_become_due_as_an_application_goes_on() -> None:
    moments = Moments()
    names = ["spark_application_count", "spark_application_submit_latency_seconds", "spark_application_success_count"]
    assert due(names, moments.seen)[1] == names
    moments.application(_app(""))
    assert due(names, moments.seen)[1] == names[1:]
    moments.application(_app("SUBMITTED", submissionAttempts=1))
    assert due(names, moments.seen)[1] == names[2:]
    moments.application(_app("COMPLETED"))
    assert due(names, moments.seen)[1] == []


def test_latencies_are_not_due_for_what_was_not_watched_or_was_tried_again() -> None:
    first_sight = Moments()
    first_sight.application(_app("SUBMITTED", submissionAttempts=1))
    assert due(["spark_application_submit_latency_seconds"], first_sight.seen)[1]
    again = Moments()
    again.application(_app(""))
    again.application(_app("SUBMITTED", submissionAttempts=2))
    assert due(["spark_application_submit_latency_seconds"], again.seen)[1]


def test_a_created_application_counts_even_if_the_watch_came_later() -> None:
    moments = Moments()
    moments.created()
    moments.application(_app("SUSPENDED"))
    assert due(["spark_application_count"], moments.seen)[1] == []


def test_a_controller_that_took_over_later_has_met_what_was_there_and_what_came() -> None:
    now = 0.0
    moments = Moments(clock=lambda: now)
    moments.executor(_pod("gone", "Running"))
    moments.executor(_pod("stays", "Running"))
    now = 1.0
    moments.executor(_pod("gone", "Succeeded"))
    moments.gone(_pod("gone", "Succeeded"))
    names = ["spark_executor_running_count", "spark_executor_success_count"]
    assert due(names, moments.seen)[1] == []
    assert due(names, moments.since(2.0))[1] == names[1:]
    now = 3.0
    moments.executor(_pod("stays", "Succeeded"))
    assert due(names, moments.since(2.0))[1] == []
    assert due(names, moments.since(4.0))[1] == names


def test_the_prefix_is_part_of_the_name() -> None:
    now, later = due(["spark_application_count", "unknown"], frozenset({"application is New"}), prefix="my-")
    assert "my_spark_application_count" in now
    assert "my_unknown" in now
    assert later == []


def test_every_documented_name_has_a_moment() -> None:
    for release in catalogue.load().releases:
        now, _ = due(release.metrics, frozenset())
        assert not set(now) & set(release.metrics), release.version
