# SPDX-License-Identifier: Apache-2.0
"""Which controller is asked what it has counted, and from when on it is held to that."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from operator_samples import deployment, lease, pod

from harness.errors import HarnessError
from harness.kube.models import Container, Lease
from harness.releases import observe
from harness.releases.metrics import NobodyLeads
from harness.releases.observe import leading, took_over
from harness.releases.operator_seen import Unseen

_NEVER_NOT = float("-inf")


def test_a_controller_has_met_everything_a_few_seconds_after_it_got_the_lease() -> None:
    leases = (
        lease("controller", acquired=datetime.fromtimestamp(1000, UTC)),
        lease("webhook", acquired=datetime.fromtimestamp(5000, UTC)),
    )
    assert 1000.0 < took_over(leases, (deployment("controller"), deployment("webhook"))) < 1015.0


def test_without_a_lease_nothing_is_let_off() -> None:
    both = (deployment("controller"), deployment("webhook"))
    assert took_over((), both) == _NEVER_NOT
    assert took_over((lease("controller"),), both) == _NEVER_NOT
    assert took_over(Unseen(reason="away"), both) == _NEVER_NOT


FIRST, SECOND = pod("controller"), pod("controller", name="spark-operator-controller-new-2")


def test_of_two_controllers_the_one_that_leads_is_asked() -> None:
    both = [(deployment("controller", replicas=2), it) for it in (SECOND, FIRST)]
    found, why = leading(both, (lease("controller"), lease("webhook")))
    assert [it.name for _, it in found] == ["spark-operator-controller-new-1"]
    assert why == "spark-operator-controller-new-1 leads"


def test_controllers_without_an_election_all_count() -> None:
    alone = dataclasses.replace(deployment("controller"), arguments=("controller", "start", "--leader-election=false"))
    found, why = leading([(alone, FIRST), (alone, SECOND)], ())
    assert len(found) == 2
    assert why == "no controller elects a leader"


@pytest.mark.parametrize(
    ("leases", "said"),
    [
        ((lease("controller", holder="spark-operator-controller-old-1"),), "none of the controllers that run"),
        (Unseen(reason="503"), "who leads is not known: 503"),
    ],
)
def test_where_nobody_is_known_to_lead_no_one_is_asked(leases: object, said: str) -> None:
    with pytest.raises(HarnessError, match=said) as found:
        leading([(deployment("controller"), FIRST)], leases)  # type: ignore[arg-type]
    # That nobody leads is the operator's fault; that it is not known is not.
    assert isinstance(found.value, NobodyLeads) is not isinstance(leases, Unseen)


def look(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Looks at a release by an API server that nobody asks."""
    installed: Any = SimpleNamespace(release=None, namespace="spark-operator", name="spark-operator")
    anything: Any = SimpleNamespace()
    made = observe._Look(anything, anything, installed, ())
    monkeypatch.setattr(made, "pods", lambda: (FIRST,))
    return made


@pytest.mark.parametrize("renewed", [True, False])
def test_a_lease_is_over_where_it_is_not_renewed_whatever_the_clocks_say(
    monkeypatch: pytest.MonkeyPatch, renewed: bool
) -> None:
    # The clock of the node is 20 s behind this machine's.
    first = dataclasses.replace(lease("controller"), age=21.0, duration=1, renewed=datetime(2026, 1, 1, tzinfo=UTC))
    assert first.renewed is not None
    second = dataclasses.replace(first, renewed=first.renewed + timedelta(seconds=2 * renewed), age=20.5)
    made = look(monkeypatch)
    answers = iter([(first,)])
    monkeypatch.setattr(made, "_leases_now", lambda deployments: next(answers, (second,)))
    (found,) = made.leases((deployment("controller"),))
    assert isinstance(found, Lease)
    assert (found.age <= found.duration) is renewed


def test_a_pod_whose_containers_have_no_state_yet_has_no_log_to_read(monkeypatch: pytest.MonkeyPatch) -> None:
    # The API server answers 400 for the log of a pod that has no node.
    without = dataclasses.replace(FIRST, phase="Pending", node="", containers=(Container(name="c", image="i"),))
    assert look(monkeypatch).logs((without,)) == ()


def test_a_pod_that_is_told_to_end_is_not_asked_for_what_it_serves() -> None:
    one = deployment("controller")
    running = dataclasses.replace(FIRST, phase="Running", owner=f"ReplicaSet/{one.newest_replica_set}")
    ends = dataclasses.replace(running, name="ends", leaving=True)
    assert [it.name for _, it in observe._pods_of((one,), (running, ends))] == [running.name]
