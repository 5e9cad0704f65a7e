# SPDX-License-Identifier: Apache-2.0
"""Argo CD's programs beside a cluster: what is made, in which order, and that all of it goes again.

docker is made up here: what really runs, tests/e2e shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from harness import process, waiting
from harness.errors import BuildError, EngineError, UnavailableError
from harness.evidence.ledger import Ledger
from harness.foundry import argocd
from harness.matrix import catalogue
from harness.releases.argocd.programs import PARTS, ArgoCdImage, Programs
from harness.run import argo
from harness.settings import Settings

IMAGE = ArgoCdImage(reference="argocd:1", version="3.2.11", manifests=())
NAMES = [f"soh-1-argocd-{part}" for part in PARTS]


class Docker:
    """What was asked of it; `answers` are exit status and output by the first words of a call."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.answers: dict[str, tuple[int, str]] = {}

    def call(self, argv: list[str], **_: Any) -> process.Completed:
        words = tuple(argv[1:])
        self.asked.append(words)
        status, said = next((it for begin, it in self.answers.items() if " ".join(words).startswith(begin)), (0, ""))
        return process.Completed(argv=words, returncode=status, stdout=said, stderr=said, seconds=0.0)

    def of(self, verb: str) -> list[tuple[str, ...]]:
        return [it for it in self.asked if it[0] == verb]


@pytest.fixture
def docker(monkeypatch: pytest.MonkeyPatch) -> Docker:
    made = Docker()
    monkeypatch.setattr(process, "call", made.call)
    return made


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Programs]]:
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump({"clusters": []}))
    cluster: Any = SimpleNamespace(name="soh-1", kubeconfig=tmp_path / "kubeconfig", nodes=("node",))

    def made(announce: Callable[[str], None] = lambda name: None) -> Programs:
        return Programs(cluster, IMAGE, run_id="20260101-000000-abcd", network="soh-net", announce=announce)

    yield made
    waiting.reset_cancellation()


def test_each_is_announced_labelled_and_on_the_network_of_the_run(
    docker: Docker, make: Callable[..., Programs]
) -> None:
    announced: list[str] = []
    its = make(announced.append)

    its.start([])

    made = docker.of("create")
    assert announced == NAMES == [it[it.index("--name") + 1] for it in made]
    for words in made:
        assert words[words.index("--network") + 1] == "soh-net"
        assert "spark-operator-harness.run=20260101-000000-abcd" in words
        assert "argocd:1" in words
        assert "--publish" not in words
    assert "ARGOCD_BINARY_NAME=argocd-application-controller" in made[-1]
    assert [it[1] for it in docker.of("start")] == NAMES
    # Whatever is copied in is there before the program starts.
    for words in docker.of("cp"):
        name = words[2].split(":")[0]
        assert docker.asked.index(words) < docker.asked.index(("start", name))


def test_all_are_removed_and_named(docker: Docker, make: Callable[..., Programs]) -> None:
    its = make()
    its.start([])
    docker.answers["rm"] = (1, "Error: No such container: soh-1-argocd-redis")

    assert its.stop() == NAMES
    assert docker.of("rm") == [("rm", "--force", "--volumes", *NAMES)]
    assert its.stop() == []


def test_one_that_ends_at_once_takes_the_others_with_it(docker: Docker, make: Callable[..., Programs]) -> None:
    docker.answers["exec"] = (1, "")
    docker.answers["inspect"] = (0, "exited\n")
    docker.answers["logs"] = (0, "panic: no Redis")

    with pytest.raises(EngineError, match=r"repo-server is exited.*panic: no Redis"):
        make().start([])

    assert docker.of("rm") == [("rm", "--force", "--volumes", *NAMES)]


def test_what_cannot_be_removed_is_told(docker: Docker, make: Callable[..., Programs]) -> None:
    its = make()
    its.start([])
    docker.answers["rm"] = (1, "device or resource busy")

    with pytest.raises(EngineError, match="busy"):
        its.stop()


def test_logs_go_by_part(docker: Docker, make: Callable[..., Programs]) -> None:
    its = make()
    assert its.logs() == {}
    its.start([])
    docker.answers["logs"] = (0, "a line\n")

    assert set(its.logs()) == set(PARTS)
    assert "a line" in its.logs()["redis"]


def test_the_ledger_knows_them_until_they_are_gone(
    docker: Docker, make: Callable[..., Programs], tmp_path: Path
) -> None:
    with Ledger.open("20260101-000000-abcd", tmp_path / "ledger") as ledger:
        its = make(lambda name: ledger.planned("container", name))
        its.start([])
        assert [it.name for it in ledger.open_entries()] == NAMES

        argo.end(its, ledger)

        assert ledger.open_entries() == []


def test_what_cannot_be_built_makes_cells_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(_: object) -> None:
        raise BuildError("no Go module registry", "see the log")

    monkeypatch.setattr(argocd, "build", build)
    said: list[str] = []

    with pytest.raises(UnavailableError, match="Argo CD cannot be had: no Go module registry"):
        argo.image(Settings(cache_dir=tmp_path), said.append)
    assert said == ["building Argo CD 3.2.11; this takes about five minutes, once"]


def test_the_image_is_another_one_when_something_in_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    before = argocd.reference()
    other = argocd.row().model_copy(update={"manifests": ("manifests/crds/application-crd.yaml",)})
    monkeypatch.setattr(argocd, "row", lambda: other)

    assert before.startswith("spark-operator-harness/argocd:3.2.11-")
    assert argocd.reference() != before


def test_a_path_of_argo_cd_is_not_for_a_users_cluster() -> None:
    from harness.matrix import expand
    from harness.run import guests

    found = catalogue.load()
    path = expand.find_path(found, "gitops-argocd-2.4.0-2.5.2+sync=replace")
    scenario: Any = SimpleNamespace(story="moves")
    cell: Any = SimpleNamespace(path=path, scenario=scenario)
    assert "Argo CD runs beside clusters that a run has made" in guests._why_not(cell, SimpleNamespace(nodes=()))  # type: ignore[arg-type]
