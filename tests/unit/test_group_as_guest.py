# SPDX-License-Identifier: Apache-2.0
"""A group of cells in a cluster of a user's: what is not made for it, what is not touched, what its ledger says.

Provider, release and checks are stand-ins, see run_fakes; the group, its preparation, the ledger and results are real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fake_kube import fake_kube
from run_fakes import FakeProvider, FakeResources, Results, Stage, attempt, holds, host, request, take_places

from harness import process, waiting
from harness.errors import ClusterError, UsageError
from harness.kube.cluster import LABEL_INSTALLATION, LABEL_RUN, Cluster
from harness.matrix.model import Environment
from harness.providers import PROVIDERS
from harness.providers.base import ClusterSpec, Guest
from harness.releases import crds, fitting
from harness.releases.fitting import Misfit
from harness.run.group import Group
from harness.run.session import Session

NAME = "soh-101500-ab12-1"
MARKS = {LABEL_INSTALLATION: "0123456789ab", LABEL_RUN: "20260801-101500-ab12"}


class GuestProvider(FakeProvider):
    guest = True

    def create(self, spec: ClusterSpec) -> Cluster:
        return replace(super().create(spec), kubeconfig=self._stage.folder / "kubeconfig", marks=MARKS)


class Stay:
    """A group that ran to its end. `differ` is what others' CRDs differ in."""

    def __init__(
        self,
        stage: Stage,
        patches: pytest.MonkeyPatch,
        *,
        differ: tuple[str, ...] = (),
        users: tuple[Mapping[str, Any], ...] = (),
    ) -> None:
        patches.setattr(crds, "strangers", lambda api, chart, marks: list(differ))
        patches.setattr(crds, "bring", lambda api, chart: stage.events.append("CRDs"))
        self.results = Results()
        self.resources = FakeResources(stage)
        self.resources.guest = Guest(  # type: ignore[assignment]
            context="prod",
            server="https://10.0.0.1:6443",
            kubeconfig=stage.folder / "kubeconfig",
            environment=Environment(name="existing", provider="existing", kubernetes="1.34.4"),
            installation=MARKS[LABEL_INSTALLATION],
            run_id=MARKS[LABEL_RUN],
            uninstall=lambda name, space: None,
            clean="harness clean --context prod",
        )
        self.resources.open()
        group = Group(
            "existing/install-2.5.2",
            [attempt("spark-pi")],
            cluster_name=NAME,
            asked=replace(request(stage.folder), users=users),
            host=host(),
            resources=self.resources,  # type: ignore[arg-type]
            evidence_folder=lambda it: stage.folder / "reports" / it.name,
            done=self.results,
            say=stage.said.append,
        )
        group.run()
        assert self.resources.ledger is not None
        self.open = [f"{it.kind} {it.name} {it.facts}" for it in self.resources.ledger.open_entries()]
        self.resources.close()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    made = Stage(folder=tmp_path, plays={"spark-pi": holds})
    monkeypatch.setenv(process.RUN_VARIABLE, "")
    take_places(made, monkeypatch)
    monkeypatch.setitem(PROVIDERS, "kind", lambda tools: GuestProvider(made))
    with fake_kube() as kube:
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kube.kubeconfig("prod")))
        yield made
    waiting.reset_cancellation()


def test_crds_come_before_the_release_and_nothing_of_the_engine_is_used(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stay = Stay(stage, monkeypatch)
    assert stay.results.verdicts == {"spark-pi": "passed"}
    assert stage.events == [
        "open",
        f"create {NAME}",
        "CRDs",
        "namespaces 2",
        "install 2.5.2 for spark-pi",
        f"delete {NAME}",
        "close",
    ]
    (spec,) = stage.specs
    assert (spec.node_image, spec.preload, spec.early) == ("", (), None)
    assert stay.open == []
    assert any("in the cluster of context prod" in it for it in stage.said)


def test_others_crds_that_differ_keep_the_release_out(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stay = Stay(stage, monkeypatch, differ=("sparkapplications.sparkoperator.k8s.io: spec.versions: 1 → 2",))
    assert stay.results.verdicts == {"spark-pi": "unavailable"}
    assert "spec.versions: 1 → 2" in stay.results.by_scenario["spark-pi"].reason
    assert not [it for it in stage.events if it.startswith(("CRDs", "namespaces", "install"))]
    assert f"delete {NAME}" in stage.events


def test_values_that_no_cluster_takes_keep_the_release_out_and_what_others_lack_does_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    mistake: list[Misfit | None] = [Misfit(words="controller.affinity is text", next_step="correct it")]
    monkeypatch.setattr(fitting, "mistakes", lambda *given: mistake[0])
    monkeypatch.setattr(fitting, "fit", lambda *given: pytest.fail("what it asks for is there"))
    stay = Stay(stage, monkeypatch, users=({"controller": {"affinity": "soft"}},))
    assert stay.results.verdicts == {"spark-pi": "error"}
    assert "controller.affinity is text\n  next: correct it" in stay.results.by_scenario["spark-pi"].reason
    assert not [it for it in stage.events if it.startswith(("create", "CRDs", "namespaces", "install"))]

    mistake[0] = None
    assert Stay(stage, monkeypatch, users=({"controller": {}},)).results.verdicts == {"spark-pi": "passed"}


def test_what_could_not_be_removed_stays_in_the_ledger_with_its_cluster(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise ClusterError("the API server is away", "harness clean --context prod")

    stage.on_delete = away
    (entry,) = Stay(stage, monkeypatch).open
    assert entry.startswith(f"stay {NAME}")
    assert "https://10.0.0.1:6443" in entry
    assert any("harness clean --context prod" in it for it in stage.said)


def test_workers_of_xdist_would_be_in_each_others_way(stage: Stage) -> None:
    asked = replace(request(stage.folder), existing=object())  # type: ignore[arg-type]
    session = Session(asked, say=stage.said.append, host=host, has_workers=True)
    assert not session.begin([])
    assert session.end() == UsageError.exit_status
