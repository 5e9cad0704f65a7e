# SPDX-License-Identifier: Apache-2.0
"""For how long no controller led, from what was seen of leases and pods."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fake_api_server import api_server

from harness.upgrades.operator_watch import (
    LeaseHeld,
    OperatorWatch,
    OperatorWatcher,
    PodLife,
    handovers,
    leadership_gap,
    replacement,
)

BEGAN = datetime(2026, 1, 1, 12, 0, 0, 400000, tzinfo=UTC)
LOCK = "spark-operator-controller-lock"


def at(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def held(pod: str, since: float, until: float, lease: str = LOCK) -> LeaseHeld:
    return LeaseHeld(at=at(since), renewed=at(until), lease=lease, pod=pod, image="")


OLD = PodLife(name="old", image="it:1", created=at(-100), gone=at(4))
NEW = PodLife(name="new", image="it:2", created=at(2).replace(microsecond=0))
PODS = {"old": OLD, "new": NEW}


def test_the_gap_is_from_the_last_renewal_to_the_new_holder() -> None:
    began, ended = leadership_gap((held("old", -90, 3), held("new", 20, 60)), PODS, BEGAN)
    watch = OperatorWatch(gap_began=began, gap_ended=ended)
    assert watch.gap == pytest.approx(17)


def test_a_pod_that_was_gone_before_it_was_to_renew_ended_its_lead_then() -> None:
    began, _ = leadership_gap((held("old", -90, 5), held("new", 20, 60)), PODS, BEGAN)
    assert began == at(4)


def test_a_leader_that_is_told_to_end_takes_on_nothing_more_and_so_does_not_lead() -> None:
    pods = {"old": dataclasses.replace(OLD, leaving=at(1), gone=at(15)), "new": NEW}
    began, ended = leadership_gap((held("old", -90, 13), held("new", 30, 60)), pods, BEGAN)
    assert (began, ended) == (at(1), at(30))


def test_a_pod_is_leaving_from_when_that_was_first_seen() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    metadata = {"name": "old", "uid": "1", "creationTimestamp": "2026-01-01T11:00:00Z"}
    pod: dict[str, Any] = {"metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Running"}}
    watcher._pod("MODIFIED", pod)
    (life,) = watcher.seen(BEGAN).pods
    assert life.leaving is None
    metadata["deletionTimestamp"] = "2026-01-01T11:01:00Z"
    watcher._pod("MODIFIED", pod)
    first = watcher._pods["old"].leaving
    assert first is not None
    watcher._pod("DELETED", pod)
    assert watcher._pods["old"].leaving == first
    assert watcher._pods["old"].gone is not None


def test_a_pod_that_is_told_to_end_is_told_of_until_it_is_gone() -> None:
    told: list[tuple[str, bool]] = []
    watcher = OperatorWatcher(
        cluster=None,  # type: ignore[arg-type]
        namespace="it",
        leaves=lambda pod: told.append((pod.name, pod.leaving)),
    )
    metadata = {"name": "old", "uid": "1", "creationTimestamp": "2026-01-01T11:00:00Z"}
    pod: dict[str, Any] = {"metadata": metadata, "spec": {"containers": []}, "status": {"phase": "Running"}}
    watcher._pod("ADDED", pod)
    assert not told, "nobody told it to end"
    metadata["deletionTimestamp"] = "2026-01-01T11:01:00Z"
    watcher._pod("MODIFIED", pod)
    watcher._pod("DELETED", pod)
    assert told == [("old", True)]


def test_a_new_controller_that_never_leads_leaves_the_gap_open() -> None:
    began, ended = leadership_gap((held("old", -90, 80),), PODS, BEGAN)
    assert (began, ended) == (at(4), None)
    assert OperatorWatch(gap_began=began, gap_ended=ended).gap is None


def test_other_leases_and_nobody_do_not_count() -> None:
    leases = (held("old", -90, 3), held("new", 6, 60, lease="spark-operator-webhook-lock"), held("", 5, 5))
    assert leadership_gap(leases, PODS, BEGAN) == (at(3), None)


def test_a_pod_made_in_the_second_in_which_the_change_began_is_new() -> None:
    pods = {"old": OLD, "new": PodLife(name="new", image="", created=BEGAN.replace(microsecond=0))}
    assert leadership_gap((held("old", -90, 3), held("new", 9, 60)), pods, BEGAN) == (at(3), at(9))


def test_without_a_holder_there_is_no_gap() -> None:
    assert leadership_gap((), PODS, BEGAN) == (None, None)


def test_of_two_replicas_of_before_each_handover_is_a_time_without_a_leader() -> None:
    pods = {**PODS, "second": PodLife(name="second", image="it:1", created=at(-100), leaving=at(24), gone=at(40))}
    leases = (held("old", -90, 3), held("second", 20, 23), held("new", 41, 60))
    assert handovers(leases, pods, BEGAN) == ((at(3), at(20)), (at(23), at(41)))
    assert leadership_gap(leases, pods, BEGAN) == (at(23), at(41))
    before = (held("first", -90, -70), held("old", -60, 3), held("new", 20, 60))
    assert handovers(before, PODS, BEGAN) == ((at(3), at(20)),), "what was before the change is none of it"


def test_without_election_the_replacement_lasts_until_only_new_controllers_are_there() -> None:
    old = dataclasses.replace(OLD, component="controller", leaving=at(6), gone=at(36))
    new = dataclasses.replace(NEW, component="controller", ready=at(5))
    webhook = PodLife(name="webhook", image="", created=at(-5), component="webhook")
    assert replacement((old, new, webhook), BEGAN) == (NEW.created, at(36))
    recreated = dataclasses.replace(new, created=at(40), ready=at(45))
    assert replacement((old, recreated), BEGAN) == (at(6), at(45))


def test_a_replacement_that_was_not_seen_to_end_is_none() -> None:
    old = dataclasses.replace(OLD, component="controller")
    new = dataclasses.replace(NEW, component="controller")
    assert replacement((old, new), BEGAN) is None, "the new one was never ready"
    stays = dataclasses.replace(old, gone=None, leaving=at(6))
    assert replacement((stays, dataclasses.replace(new, ready=at(5))), BEGAN) is None
    assert replacement((new,), BEGAN) is None


def test_what_is_as_it_was_is_not_sighted_again() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    lease = {"metadata": {"name": LOCK}, "spec": {"holderIdentity": "old_1", "renewTime": "2026-01-01T12:00:00Z"}}
    watcher._lease("ADDED", lease)
    lease["spec"]["renewTime"] = "2026-01-01T12:00:02Z"
    watcher._lease("MODIFIED", lease)
    lease["spec"]["holderIdentity"] = "new_2"
    watcher._lease("MODIFIED", lease)
    seen = watcher.seen(BEGAN)
    assert [it.what for it in seen.sightings] == ["held by old", "held by new"]
    assert [it.renewed.second for it in seen.leases if it.pod == "old"] == [2]


def test_a_pod_is_told_with_its_image_and_its_restarts() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    pod = {
        "metadata": {"name": "old", "uid": "1", "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"containers": [{"name": "controller", "image": "it:1"}]},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"name": "controller", "image": "it:1", "ready": True, "restartCount": 3, "state": {"running": {}}}
            ],
        },
    }
    watcher._pod("ADDED", pod)
    watcher._pod("DELETED", pod)
    told = [it.what for it in watcher.seen(BEGAN).sightings]
    assert told == ["Running, it:1: controller running ready restarted 3 times", "gone"]


def test_the_leader_is_told_by_the_image_of_the_pod_that_holds_the_controllers_lease() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    assert watcher.leader() == ""
    watcher._pods["old"] = OLD
    watcher._lease("ADDED", {"metadata": {"name": LOCK}, "spec": {"holderIdentity": "old_1"}})
    watcher._lease("ADDED", {"metadata": {"name": "spark-operator-webhook-lock"}, "spec": {"holderIdentity": "new_1"}})
    assert watcher.leader() == "it:1"


def test_a_new_leader_is_told_with_the_time_for_which_it_has_led() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    now = datetime.now(UTC)
    assert watcher.led(now) == 0
    for name, age in (("old", 600), ("new", 10)):
        watcher._pods[name] = PodLife(name=name, image="it", created=now - timedelta(seconds=age))
    began = now - timedelta(seconds=20)

    def lead(pod: str, seconds: int) -> None:
        since = (now - timedelta(seconds=seconds)).isoformat()
        spec = {"holderIdentity": f"{pod}_1", "acquireTime": since, "renewTime": since}
        watcher._lease("ADDED", {"metadata": {"name": LOCK}, "spec": spec})

    lead("old", 500)
    assert watcher.led(began) == 0
    lead("new", 7)
    assert 7 <= watcher.led(began) < 9


def test_the_image_is_the_operators_whatever_a_mesh_puts_before_it() -> None:
    watcher = OperatorWatcher(cluster=None, namespace="it")  # type: ignore[arg-type]
    proxy = {"name": "istio-proxy", "image": "proxy:1"}
    own = {"name": "spark-operator-controller", "image": "it:1"}
    pod = {
        "metadata": {"name": "old", "uid": "1", "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"initContainers": [{"name": "istio-init", "image": "init:1"}], "containers": [proxy, own]},
    }
    watcher._pod("ADDED", pod)
    assert watcher._pods["old"].image == "it:1"


@pytest.mark.parametrize("seconds", [-30, 30])
def test_a_cluster_with_another_clock_has_its_times_put_right(tmp_path: Path, seconds: int) -> None:
    ahead = timedelta(seconds=seconds)
    with api_server(tmp_path, {}, {"": (200, "{}")}, clock_ahead=seconds) as cluster:
        watcher = OperatorWatcher(cluster=cluster, namespace="it")
        watcher._ahead = watcher._clock_ahead()
    assert abs(watcher._ahead - ahead) < timedelta(seconds=2)
    for name, created, led in (("old", at(-100), at(-90)), ("new", at(2), at(20))):
        stamp = (created + ahead).replace(microsecond=0).isoformat()
        watcher._pod("ADDED", {"metadata": {"name": name, "uid": name, "creationTimestamp": stamp}})
        since = (led + ahead).isoformat()
        spec = {"holderIdentity": f"{name}_1", "acquireTime": since, "renewTime": since}
        watcher._lease("ADDED", {"metadata": {"name": LOCK}, "spec": spec})
    gap = watcher.seen(BEGAN).gap
    assert gap is not None
    assert abs(gap - 110) < 1


def test_clocks_that_agree_are_left_alone(tmp_path: Path) -> None:
    with api_server(tmp_path, {}, {"": (200, "{}")}) as cluster:
        assert OperatorWatcher(cluster=cluster, namespace="it")._clock_ahead() == timedelta()
    assert OperatorWatcher(cluster=cluster, namespace="it")._clock_ahead() == timedelta(), "it is away"
