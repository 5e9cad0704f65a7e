# SPDX-License-Identifier: Apache-2.0
"""A node that goes under applications: how what became of them, and of the operator, is judged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pod_samples import spark_pod

from harness.apps.pods import SparkPod
from harness.apps.states import State
from harness.stories.failures import nodes
from harness.upgrades.prober import Outcome, Probe
from harness.upgrades.workload_seen import ApplicationSeen, Look, Part, When
from harness.verdicts import Verdict

STRUCK = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GOES, STAYS = "worker", "worker2"


def at(seconds: float) -> datetime:
    return STRUCK + timedelta(seconds=seconds)


def pod(role: str, node: str, seconds: float) -> SparkPod:
    return spark_pod(role, name=f"{role}-{seconds}", node=node, created=at(seconds), started_at=at(seconds + 2))


def application(*states: State, created: float = -60, pods: tuple[SparkPod, ...] = ()) -> ApplicationSeen:
    looks = tuple(Look(at=at(created + number), state=state) for number, state in enumerate(states))
    return ApplicationSeen(
        namespace="n",
        name=f"a{created}",
        uid="u",
        part=Part.LONG,
        when=When.BEFORE,
        created=at(created),
        looks=looks,
        pods=pods,
        schedule="s",
    )


def test_an_executor_that_another_took_the_place_of() -> None:
    seen = application(State.RUNNING, pods=(pod("executor", GOES, -30), pod("executor", STAYS, 10)))
    found = nodes.judge_executors(seen, GOES, STRUCK)
    assert (found.verdict, found.evidence["seconds"]) == (Verdict.PASSED, 12)


@pytest.mark.parametrize("pods", [(), (pod("executor", STAYS, -30),), (pod("executor", GOES, 10),)])
def test_an_executor_that_none_took_the_place_of(pods: tuple[SparkPod, ...]) -> None:
    assert nodes.judge_executors(application(State.RUNNING, pods=pods), GOES, STRUCK).verdict is Verdict.FAILED


AGAIN = (State.RUNNING, State.FAILING, State.PENDING_RERUN, State.RUNNING, State.COMPLETED)


def test_a_driver_that_is_started_anew_elsewhere_once() -> None:
    seen = application(*AGAIN, pods=(pod("driver", GOES, -30), pod("driver", STAYS, 20)))
    found = nodes.judge_driver(seen, GOES, STRUCK)
    assert found.verdict is Verdict.PASSED
    assert "after 20 s: RUNNING → FAILING → PENDING_RERUN → RUNNING → COMPLETED" in found.message


@pytest.mark.parametrize(
    ("states", "new"),
    [
        ((State.RUNNING, State.FAILING, State.FAILED), ()),
        (AGAIN[:-1], (pod("driver", STAYS, 20),)),
        (AGAIN, (pod("driver", STAYS, 20), pod("driver", STAYS, 40))),
        (AGAIN, (pod("driver", GOES, 20),)),
    ],
)
def test_a_driver_that_is_not_restarted_fails(states: tuple[State, ...], new: tuple[SparkPod, ...]) -> None:
    seen = application(*states, pods=(pod("driver", GOES, -30), *new))
    found = nodes.judge_driver(seen, GOES, STRUCK)
    assert found.verdict is Verdict.FAILED
    assert f"had {len(new)} new driver pods" in found.message


def test_an_application_that_nobody_saw_proves_nothing() -> None:
    assert nodes.judge_driver(None, GOES, STRUCK).verdict is Verdict.ERROR


def test_a_schedule_goes_on() -> None:
    runs = [application(State.COMPLETED, created=seconds) for seconds in (-15, 5, 25)]
    found = nodes.judge_schedule(runs, STRUCK, every=20)
    assert found.verdict is Verdict.PASSED
    assert found.message == "2 runs since then COMPLETED, the first 20 s after the last"


@pytest.mark.parametrize("after", [[], [application(State.FAILED, created=5)]])
def test_a_schedule_that_stops_or_fails(after: list[ApplicationSeen]) -> None:
    runs = [application(State.COMPLETED, created=-15), *after]
    assert nodes.judge_schedule(runs, STRUCK, every=20).verdict is Verdict.FAILED


def probe(seconds: float, outcome: Outcome) -> Probe:
    return Probe(at=at(seconds), seconds=0.1, outcome=outcome)


def test_the_operator_is_elsewhere_and_its_outage_is_told() -> None:
    probes = [probe(0, Outcome.ACCEPTED), probe(2, Outcome.WEBHOOK_AWAY), probe(9, Outcome.ACCEPTED)]
    found = nodes.judge_operator(at(30), STRUCK, probes, 17.0)
    assert found.verdict is Verdict.PASSED
    assert "after 30 s; creates were refused for 7.0 s, and nobody led for 17 s" in found.message
    assert (found.evidence["outage"], found.evidence["leaderless"]) == (7.0, 17.0)


def test_the_operator_that_stays_away() -> None:
    assert nodes.judge_operator(None, STRUCK, [], None).verdict is Verdict.FAILED
