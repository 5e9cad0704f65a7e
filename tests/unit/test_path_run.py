# SPDX-License-Identifier: Apache-2.0
"""The order of what happens on a path. Cluster, Helm and operator are stand-ins; the order is the path run's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from test_change import INSTALLED

from harness import waiting
from harness.matrix import catalogue, expand
from harness.matrix.release import Release
from harness.releases import change, rollout, ways
from harness.releases.change import Change
from harness.releases.on_path import ReleaseOnPath
from harness.releases.operator_seen import Unseen
from harness.upgrades import path_run, permissions, stock
from harness.upgrades.observed import MoveTimes, ObservedPath

CATALOGUE = catalogue.load()
CHAIN = "upgrade-2.4.0-2.5.1-2.5.2+crds=apply"


class Stage:
    """What happened, in order; a soak lasts until the applications have finished, for two seconds at most."""

    def __init__(self, helm_error: str = "", rollout_error: str = "", leader: str = "") -> None:
        self.events: list[str] = []
        self.helm_error = helm_error
        self.rollout_error = rollout_error
        self.leader = leader
        self.leads = ""
        self.finished = threading.Event()
        self.times: list[MoveTimes] = []
        self.led = 0.0
        self.enough: list[bool] = []
        self.soaks: list[float] = []
        self.values: tuple[dict[str, Any], ...] = ()

        self.path = CHAIN

    def take(self, here: Any, wanted: Any) -> Unseen:
        self.events.append(f"way out +crds={wanted.crds} to {wanted.release.name}")
        return Unseen(reason="nobody looked")

    def begin(self) -> None:
        self.events.append("begin")

    def during(self) -> None:
        self.events.append("submit")

    def between(self, now: Any, following: Any) -> None:
        self.events.append(f"between {now.name} and {following.name}")

    def settle(self) -> None:
        self.events.append("settle")

    def finish(self, times: list[MoveTimes], leads: Release) -> Any:
        self.events.append("finish")
        self.leads = leads.name
        self.times = list(times)
        self.finished.set()
        return Unseen(reason="nobody looked")

    def close(self) -> None:
        self.events.append("close")

    def start(self) -> None:
        self.events.append("probe")

    def stop(self) -> tuple[()]:
        return ()

    def upgrade(self, cluster: Any, here: Any, wanted: Any, programs: Any) -> Change:
        self.events.append(f"upgrade to {wanted.release.name}")
        now = datetime.now(UTC)
        return Change(
            installed=here,
            began=now,
            helm_done=now,
            settled=now,
            steps=(),
            helm_error=self.helm_error,
            rollout_error=self.rollout_error,
        )

    def observe(self, cluster: Any, target: Any, *, soak: float, enough: Any, **_: Any) -> Unseen:
        self.soaks.append(soak)
        last = len(self.soaks) > 1 or soak > path_run.SHORT_SOAK or bool(self.helm_error)
        self.events.append("soak")
        if last:
            self.enough.append(enough())
            self.events.append("soak sees the end" if self.finished.wait(2) else "soak is over before the end")
            if self.led >= path_run.LED:
                waiting.until(enough, what="the watch to be over", timeout=2)
                self.enough.append(enough())
                self.led = path_run.LED - 1
            self.enough.append(enough())
        return Unseen(reason="nobody looked")


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    @contextmanager
    def api_client() -> Iterator[None]:
        yield

    def go(stage: Stage, submit_seconds: float = 0.05) -> ObservedPath:
        watcher = SimpleNamespace(
            start=lambda: None,
            stop=lambda: None,
            seen=lambda began: None,
            leader=lambda: stage.leader,
            led=lambda began: stage.led,
        )
        monkeypatch.setattr(path_run, "OperatorWatcher", lambda *of, **more: watcher)
        monkeypatch.setattr(ways, "of", lambda name: SimpleNamespace(objects=lambda *of: ()))
        monkeypatch.setattr(rollout, "pods_of", lambda *of: [])
        monkeypatch.setattr(permissions, "look", lambda *of: None)
        monkeypatch.setattr(permissions, "change", lambda *of: None)
        monkeypatch.setattr(stock, "orphans", lambda *of: ())
        monkeypatch.setattr(stock, "unfit", lambda *of: {})
        monkeypatch.setattr(change, "upgrade", stage.upgrade)
        monkeypatch.setattr(path_run, "observe", stage.observe)
        monkeypatch.setattr(path_run, "SUBMIT_SECONDS", submit_seconds)
        path = expand.find_path(CATALOGUE, stage.path)
        releases = {
            it: ReleaseOnPath(release=CATALOGUE.release(it), chart=cast(Any, None), values={}) for it in path.releases
        }
        return path_run.PathRun(
            cluster=cast(Any, SimpleNamespace(api_client=api_client, kubeconfig="")),
            path=path,
            releases=releases,
            installed=INSTALLED,
            programs=cast(Any, SimpleNamespace(helm="helm")),
            applications=cast(Any, stage),
            prober=cast(Any, stage),
            values=stage.values,
            seed=1,
            reinstall=cast(Any, None),
            way_out=stage.take,
        ).run()

    yield go
    waiting.reset_cancellation()


def test_what_comes_after_the_last_move_is_submitted_within_its_soak(gone: Any) -> None:
    stage = Stage()
    path = gone(stage)
    assert stage.events == [
        "begin",
        "probe",
        "submit",
        "upgrade to 2.5.1",
        "soak",
        f"between {INSTALLED.release.name} and 2.5.2",
        "upgrade to 2.5.2",
        "soak",
        "settle",
        "finish",
        "soak sees the end",
        "close",
    ]
    assert set(path.seconds) == {"begin", "moves", "finish", "soak"}
    assert [it.times for it in path.moves] == stage.times


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("upgrade-2.4.0-2.5.2+crds=client-apply", ["way out +crds=apply to 2.5.2"]),
        ("upgrade-2.4.0-2.5.2+crds=apply", []),
        ("upgrade-2.2.1-2.5.2+crds=none+values=reuse", []),
    ],
)
def test_the_way_out_of_a_known_break_is_taken_at_the_end(gone: Any, path: str, out: list[str]) -> None:
    stage = Stage(helm_error="Too long")
    stage.path = path
    seen = gone(stage)
    assert stage.events[stage.events.index("soak sees the end") + 1 : -1] == out
    assert (seen.way_out is not None) == bool(out)


def test_a_watch_is_over_with_the_applications_once_a_new_leader_has_led_for_a_while(gone: Any) -> None:
    stage = Stage()
    stage.led = path_run.LED
    gone(stage)
    assert stage.enough == [False, True, False]


def test_a_new_leader_is_awaited_for_as_long_as_leases_last_by_the_values(gone: Any) -> None:
    stage = Stage()
    stage.values = ({"controller": {"leaderElection": {"leaseDuration": "60s"}}},)
    gone(stage)
    assert stage.soaks == [path_run.SHORT_SOAK + 45, path_run.SOAK + 45]


def test_small_applications_come_no_more_once_a_new_leader_leads(gone: Any) -> None:
    stage = Stage()
    stage.led = path_run.LEADS
    path = gone(stage, submit_seconds=60.0)
    last = path.moves[-1].times
    assert (last.ended - last.began).total_seconds() < 30


def test_small_applications_come_for_a_while_after_the_last_move(gone: Any) -> None:
    stage = Stage()
    path = gone(stage)
    last = path.moves[-1].times
    assert last.settled is not None
    assert (last.ended - last.settled).total_seconds() >= 0.05


def test_a_move_that_did_not_take_place_is_followed_by_the_same(gone: Any) -> None:
    stage = Stage(helm_error="pre-upgrade hooks failed")
    gone(stage)
    assert stage.events[-4:] == ["settle", "finish", "soak sees the end", "close"]


@pytest.mark.parametrize(
    ("stage", "leads"),
    [
        (Stage(leader="docker.io/it:2.5.1"), "2.5.2"),
        (Stage(rollout_error="no such image", leader="docker.io/it:2.5.2"), "2.5.2"),
        (Stage(rollout_error="it crashes", leader=f"docker.io/it:{INSTALLED.release.version}"), INSTALLED.release.name),
        (Stage(rollout_error="it crashes"), INSTALLED.release.name),
        (Stage(helm_error="nil pointer"), INSTALLED.release.name),
    ],
    ids=["it waits for the lease", "it leads after all", "crash", "nobody leads", "Helm gives up"],
)
def test_what_comes_after_a_move_comes_under_the_release_that_leads(gone: Any, stage: Stage, leads: str) -> None:
    gone(stage)
    assert stage.leads == leads


def test_applications_are_closed_when_nothing_can_be_submitted(gone: Any) -> None:
    stage = Stage()

    def fails() -> None:
        raise waiting.Cancelled("the run is being stopped")

    stage.begin = fails  # type: ignore[method-assign]
    with pytest.raises(waiting.Cancelled):
        gone(stage)
    assert stage.events == ["close"]
