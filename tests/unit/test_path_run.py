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
from harness.matrix.model import Release
from harness.releases import change, rollout, ways
from harness.releases.change import Change
from harness.releases.observe import Unseen
from harness.releases.on_path import ReleaseOnPath
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

    def observe(self, cluster: Any, target: Any, *, soak: float, **_: Any) -> Unseen:
        last = soak > path_run.SHORT_SOAK or bool(self.helm_error)
        self.events.append("soak")
        if last:
            self.events.append("soak sees the end" if self.finished.wait(2) else "soak is over before the end")
        return Unseen(reason="nobody looked")


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    @contextmanager
    def api_client() -> Iterator[None]:
        yield

    def go(stage: Stage) -> ObservedPath:
        watcher = SimpleNamespace(
            start=lambda: None, stop=lambda: None, seen=lambda began: None, leader=lambda: stage.leader
        )
        monkeypatch.setattr(path_run, "OperatorWatcher", lambda *of: watcher)
        monkeypatch.setattr(ways, "of", lambda name: SimpleNamespace(objects=lambda *of: ()))
        monkeypatch.setattr(rollout, "pods_of", lambda *of: [])
        monkeypatch.setattr(permissions, "look", lambda *of: None)
        monkeypatch.setattr(permissions, "change", lambda *of: None)
        monkeypatch.setattr(stock, "orphans", lambda *of: ())
        monkeypatch.setattr(stock, "unfit", lambda *of: {})
        monkeypatch.setattr(change, "upgrade", stage.upgrade)
        monkeypatch.setattr(path_run, "observe", stage.observe)
        monkeypatch.setattr(path_run, "SUBMIT_SECONDS", 0.05)
        path = expand.find_path(CATALOGUE, CHAIN)
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
            values=(),
            seed=1,
            reinstall=cast(Any, None),
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
