# SPDX-License-Identifier: Apache-2.0
"""A provider that only these tests define: the rest of the harness learns from its class all that it has to know."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from harness import providers
from harness.cleanup import engine, remains
from harness.errors import CatalogueError
from harness.evidence.ledger import cluster_name
from harness.evidence.ledger_entries import Entry
from harness.kube.cluster import LABEL_RUN, Cluster
from harness.matrix import catalogue
from harness.process import Completed
from harness.providers import PROVIDERS
from harness.providers.base import ClusterSpec, ProviderTools
from harness.toml_source import TomlSource
from harness.upgrades import detour

RUN = "20260102-030405-ab12"


class Third:
    """Makes clusters of containers that carry a label of its own, and no label of the run."""

    name: ClassVar[str] = "third"
    guest: ClassVar[bool] = False
    cluster_label: ClassVar[str] = "example.third/cluster"
    context_prefix: ClassVar[str] = "third@"
    helper_repository: ClassVar[str] = ""
    hosts_folder: ClassVar[str] = "/etc/third/certs.d"

    def __init__(self, tools: ProviderTools) -> None:
        self.asked: list[list[str]] = []

    def create(self, spec: ClusterSpec) -> Cluster:
        raise NotImplementedError

    def delete(self, cluster_name: str) -> None:
        raise NotImplementedError

    def node_exec(self, cluster: Cluster, node: str, argv: Sequence[str], *, timeout: float = 60.0) -> Completed:
        self.asked.append([*argv])
        return Completed(argv=(), returncode=0, stdout="", stderr="", seconds=0.0)

    def export_logs(self, cluster: Cluster, folder: Path) -> None:
        raise NotImplementedError

    def shell_hint(self, cluster: Cluster) -> str:
        raise NotImplementedError


class Engine:
    """Stands for the docker CLI, which unit tests must not call: lists containers with the columns asked for."""

    def __init__(self, containers: dict[str, dict[str, str]]) -> None:
        self.containers = containers

    def __call__(self, argv: Sequence[str], **_: object) -> Completed:
        words = [str(word) for word in argv[1:]]
        said = ""
        if words[0] == "ps" and "--format" in words:
            labels = re.findall(r'\.Label "([^"]+)"', words[words.index("--format") + 1])
            for name, own in self.containers.items():
                said += "\t".join([f"id-{name}", name, "running", *(own.get(label, "") for label in labels)]) + "\n"
        if words[:2] == ["container", "rm"]:
            for word in words[2:]:
                self.containers.pop(word.removeprefix("id-"), None)
        return Completed(argv=(), returncode=0, stdout=said, stderr="", seconds=0.0)


@pytest.fixture(autouse=True)
def third(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(PROVIDERS, Third.name, Third)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(remains, "_all_processes", lambda attributes: iter(()))


def cluster_of_the_run() -> str:
    return cluster_name(RUN, 1)


@pytest.fixture
def left_behind(monkeypatch: pytest.MonkeyPatch) -> Engine:
    made = Engine(
        {
            "node-left-behind": {Third.cluster_label: cluster_of_the_run()},
            "node-of-somebody": {Third.cluster_label: "dev"},
            "node-of-the-run": {LABEL_RUN: RUN},
        }
    )
    monkeypatch.setattr(engine, "call", made)
    return made


def containers(survey: remains.Survey) -> set[str]:
    return {it.name for it in survey.remains if it.kind == "container"}


def test_its_node_that_was_left_behind_is_found_and_removed(left_behind: Engine) -> None:
    entries = [Entry(kind="cluster", name=cluster_of_the_run(), facts={})]
    found = remains.look(RUN, entries)
    assert containers(found) == {"node-left-behind", "node-of-the-run"}
    assert remains.remove(found.removable) == []
    assert set(left_behind.containers) == {"node-of-somebody"}
    assert remains.look(RUN, entries).remains == ()


def test_its_node_is_found_by_a_clean_of_everything(left_behind: Engine) -> None:
    claim = remains.Claim(run_id=RUN, clusters=frozenset({cluster_of_the_run()}))
    assert containers(remains.look_for_all(remains.Scope(claims=(claim,)))) == {"node-left-behind", "node-of-the-run"}


def test_its_contexts_are_taken_for_the_harnesss_own(left_behind: Engine, tmp_path: Path) -> None:
    (tmp_path / ".kube").mkdir()
    config = tmp_path / ".kube" / "config"
    config.write_text(f"contexts: [{{name: third@{cluster_of_the_run()}}}, {{name: third@dev}}]\n")
    entries = [Entry(kind="cluster", name=cluster_of_the_run(), facts={})]
    found = [it.name for it in remains.look(RUN, entries).remains if it.kind == "context"]
    assert found == [f"third@{cluster_of_the_run()}"]


def test_a_detour_writes_where_its_nodes_read(left_behind: Engine) -> None:
    provider = Third(ProviderTools(programs={}))
    cluster = Cluster(name="c", environment=None, kubeconfig=Path("none"), nodes=("n",))  # type: ignore[arg-type]
    with detour.detour(provider, cluster, "ghcr.io", detour.NOWHERE):
        assert Third.hosts_folder in provider.asked[0]
    assert Third.hosts_folder in provider.asked[1]


def test_a_provider_that_nobody_wrote_is_named_with_those_that_are_there() -> None:
    with pytest.raises(CatalogueError, match=r"unknown provider 'fourth'.*") as caught:
        providers.named("fourth")
    assert "k3d, kind, third" in caught.value.next_step


def test_an_environment_of_an_unknown_provider_is_named_by_file_line_and_key(tmp_path: Path) -> None:
    file = tmp_path / "environments.toml"
    file.write_text(
        '[[environment]]\nname = "fourth-1.34"\nprovider = "fourth"\nkubernetes = "1.34.4"\nfoundry = true\n'
    )
    wrong = replace(
        catalogue.load(),
        environments=catalogue.read_environments(file),
        written={"environments": TomlSource.read(file)},
    )
    with pytest.raises(CatalogueError, match=r"environments\.toml, line 3: key provider: unknown provider 'fourth'"):
        providers.require_known(wrong)


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_provider_says_how_what_it_makes_is_recognised(name: str) -> None:
    provider = PROVIDERS[name]
    assert provider.name == name
    if provider.guest:
        # It makes no containers, and nothing in a kubeconfig.
        assert [provider.cluster_label, provider.context_prefix, provider.hosts_folder] == ["", "", ""]
        return
    assert provider.cluster_label
    assert provider.context_prefix
    assert provider.hosts_folder.startswith("/")
