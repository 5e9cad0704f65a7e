# SPDX-License-Identifier: Apache-2.0
"""What is done on a cluster as soon as its API server answers: the node is cordoned meanwhile, and it ends in time.

`docker` is a stand-in; requests go to a server over real HTTP. Real clusters are used so by every install.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from fake_api_server import Answer, api_server

from harness.errors import ApiError
from harness.kube.cluster import Cluster
from harness.providers.early import Act, Early
from harness.waiting import until

DOCKER = """#!/bin/sh
case "$1" in
exec) [ -e {folder}/kubeconfig-in-node ] || {{ [ ! -e {folder}/hangs ] || exec sleep 60; exit 1; }}
    cat {folder}/kubeconfig-in-node;;
port) echo "127.0.0.1:{port}"; echo "[::]:{port}";;
esac
"""
NODE = "it-control-plane"
TAINTS = [{"key": "node.kubernetes.io/unschedulable"}, {"key": "example.com/other"}]
CORDON = {"spec": {"unschedulable": True}}
UNCORDON = {"spec": {"unschedulable": False, "taints": TAINTS[1:]}}


class Site:
    """A node's engine and API server; `events` are patches of the node and what the act says, in their order."""

    def __init__(self, folder: Path, cluster: Cluster, events: list[Any]) -> None:
        self.folder = folder
        self.cluster = cluster
        self.changed = events

    @property
    def events(self) -> list[Any]:
        return [it[1] if isinstance(it, tuple) else it for it in self.changed]

    def write_kubeconfig(self, text: str = "") -> None:
        config = yaml.safe_load(self.cluster.kubeconfig.read_text())
        # Inside, the node has a name, which this machine cannot resolve.
        config["clusters"][0]["cluster"]["server"] = "http://it-control-plane:6443"
        (self.folder / "kubeconfig-in-node").write_text(text or yaml.safe_dump(config))

    def early(
        self, act: Act | None, seconds: float = 20.0, first: Callable[[Cluster], None] = lambda cluster: None
    ) -> Early:
        started = Early(
            "it",
            self.cluster.environment,
            node=NODE,
            admin="/etc/kubernetes/admin.conf",
            act=act,
            folder=self.folder,
            seconds=seconds,
            first=first,
        )
        started.start()
        return started

    def says(self, cluster: Cluster, failed: threading.Event) -> None:
        self.changed.append("acts")


@contextmanager
def site(tmp_path: Path, patches: pytest.MonkeyPatch, answers: dict[str, Answer] | None = None) -> Iterator[Site]:
    events: list[Any] = []
    known = {NODE: (200, json.dumps({"spec": {"taints": TAINTS}}))} if answers is None else answers
    with api_server(tmp_path, {"nodes": [{"metadata": {"name": NODE}}]}, known, events) as cluster:
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        port = urlsplit(config["clusters"][0]["cluster"]["server"]).port
        programs = tmp_path / "programs"
        programs.mkdir()
        (programs / "docker").write_text(DOCKER.format(folder=tmp_path, port=port))
        (programs / "docker").chmod(0o755)
        patches.setenv("PATH", f"{programs}:/usr/bin:/bin")
        yield Site(tmp_path, cluster, events)


def test_the_node_is_cordoned_until_services_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(at.says)
        early.join()
        assert at.events == [CORDON, "acts"]
        early.uncordon(at.cluster)

    assert at.events == [CORDON, "acts", UNCORDON]
    assert {it[0] for it in at.changed if isinstance(it, tuple)} == {f"/api/v1/nodes/{NODE}"}
    assert (tmp_path / "early-kubeconfig").stat().st_mode & 0o077 == 0


def test_an_act_that_still_runs_when_services_work_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    goes_on = threading.Event()

    def act(cluster: Cluster, failed: threading.Event) -> None:
        assert goes_on.wait(20)
        at.changed.append("told to end" if failed.is_set() else "acts")

    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(act)
        until(lambda: at.events == [CORDON], what="the act", timeout=20, interval=0.01)
        early.uncordon(at.cluster)
        goes_on.set()
        early.join()

    assert at.events == [CORDON, UNCORDON, "acts"]


def test_nothing_begins_once_services_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hangs").touch()
    with site(tmp_path, monkeypatch) as at:
        early = at.early(at.says)
        started = time.monotonic()
        early.uncordon(at.cluster)
        early.join()

    assert at.events == []
    assert time.monotonic() - started < 10


def test_an_administrator_who_may_not_act_yet_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: dict[str, Answer] = {"nodes": (403, "{}")}
    with site(tmp_path, monkeypatch, answers) as at:
        at.write_kubeconfig()
        early = at.early(at.says)
        early.join(0.5)
        assert at.events == []
        answers.clear()
        early.join()

    assert at.events == [CORDON, "acts"]


def test_a_creation_that_fails_ends_the_act(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def act(cluster: Cluster, failed: threading.Event) -> None:
        assert failed.wait(20)
        at.changed.append("ends")

    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(act)
        until(lambda: at.events == [CORDON], what="the act", timeout=20, interval=0.01)
        early.cancel()

    assert at.events == [CORDON, "ends"]


def test_what_comes_first_is_tried_until_the_api_server_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = [ApiError("not yet", status=403), ApiError("not yet", status=503)]

    def first(cluster: Cluster) -> None:
        if refusals:
            raise refusals.pop()
        at.changed.append("first")

    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(at.says, first=first)
        early.join()

    assert at.events == ["first", CORDON, "acts"]
    assert early.cordoned


def test_an_api_server_that_never_takes_what_comes_first_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first(cluster: Cluster) -> None:
        raise ApiError("not allowed", status=403)

    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(at.says, seconds=1.0, first=first)
        early.join()

    assert at.events == []
    assert not early.cordoned
    assert "not allowed" in (tmp_path / "early.log").read_text()


def test_an_api_server_that_never_answers_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path, monkeypatch, {"nodes": (503, "{}")}) as at:
        at.write_kubeconfig()
        early = at.early(at.says, seconds=1.0)
        early.join()
        early.uncordon(at.cluster)

    assert at.events == []
    assert "to be registered" in (tmp_path / "early.log").read_text()


def test_a_kubeconfig_that_is_none_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig("no kubeconfig")
        early = at.early(at.says)
        early.join()

    assert at.events == []
    assert (tmp_path / "early.log").read_text().startswith("nothing was done early: ")


def test_without_an_act_nothing_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with site(tmp_path, monkeypatch) as at:
        at.write_kubeconfig()
        early = at.early(None)
        early.join()
        early.uncordon(at.cluster)

    assert at.events == []
    assert not (tmp_path / "early-kubeconfig").exists()
