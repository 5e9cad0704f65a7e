# SPDX-License-Identifier: Apache-2.0
"""Kept clusters: written down by one run, found by name later, and opened with everything set.

kubectl and the shell are scripts that say what they were given; that a real cluster answers is shown by
tests/e2e/test_reproduce.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from harness import cli
from harness.errors import HostError, UsageError
from harness.evidence.ledger import Ledger, ledger_folder
from harness.kube.cluster import Cluster
from harness.matrix.model import Environment
from harness.process import RUN_VARIABLE
from harness.run import kept, shell
from harness.run.kept import KeptCluster, kept_clusters, kept_facts
from harness.settings import Settings

PI = "kind-1.34/install-2.5.2/spark-pi"
TTL = "kind-1.34/install-2.5.2/ttl"
OLD, NEW = "20260801-101500-ab12", "20260802-101500-cd34"
NOW = datetime(2026, 8, 2, 12, 0, tzinfo=UTC)
KUBECONFIG = {
    "apiVersion": "v1",
    "current-context": "kind-soh",
    "contexts": [{"name": "kind-soh", "context": {"cluster": "soh", "user": "admin"}}],
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv(RUN_VARIABLE, "")
    return Settings(cache_dir=tmp_path / "cache")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def keep(settings: Settings, run_id: str, *cells: str, when: datetime = NOW, answers: bool = True) -> Cluster:
    """A run that keeps a cluster with these cells."""
    folder = settings.cache_dir / run_id
    folder.mkdir(parents=True)
    (folder / "kubeconfig").write_text(yaml.safe_dump(KUBECONFIG))
    cluster = Cluster(
        name=f"soh-{run_id[9:]}-1",
        environment=Environment(name="kind-1.34", provider="kind", kubernetes="1.34.4"),
        kubeconfig=folder / "kubeconfig",
        nodes=(f"soh-{run_id[9:]}-1-control-plane", "worker"),
    )
    said = 'echo "kubectl $* in $KUBECONFIG"' if answers else "echo connection refused >&2; exit 1"
    tools = {"kubectl": script(folder / "k", said), "helm": script(folder / "h", "echo helm"), "kind": Path("/kind")}
    with Ledger.open(run_id, ledger_folder(settings)) as ledger:
        ledger.planned("cluster", cluster.name)
        namespaces = {cell: cell.rpartition("/")[2] for cell in cells}
        facts = kept_facts(
            cluster, namespaces, release="spark-operator", release_namespace="operators", tools=tools, now=when
        )
        ledger.planned("cluster", cluster.name, **facts)
        ledger.keep()
    return cluster


def test_the_latest_cluster_of_a_cell_is_found_and_that_of_a_run(settings: Settings) -> None:
    old = keep(settings, OLD, PI, TTL, when=NOW - timedelta(days=1))
    new = keep(settings, NEW, PI)

    assert [it.run_id for it in kept_clusters(settings)] == [NEW, OLD]
    assert kept.find(settings, PI).cluster == new
    assert kept.find(settings, PI, OLD).cluster == old
    assert kept.find(settings, TTL).cells == {PI: "spark-pi", TTL: "ttl"}


def test_what_was_not_kept_says_what_was(settings: Settings) -> None:
    with pytest.raises(UsageError, match=f"no cluster of cell {PI} was kept") as told:
        kept.find(settings, PI)
    assert f"--cell {PI} --keep" in told.value.next_step
    keep(settings, NEW, TTL)

    with pytest.raises(UsageError) as told:
        kept.find(settings, PI)
    assert f"run {NEW}: {TTL}" in told.value.next_step
    with pytest.raises(UsageError, match=f"of run {OLD} was kept"):
        kept.find(settings, TTL, OLD)


def test_what_a_killed_run_left_is_not_kept(settings: Settings) -> None:
    with Ledger.open(OLD, ledger_folder(settings)) as ledger:
        ledger.planned("cluster", "soh-101500-ab12-1")

    assert kept_clusters(settings) == []


def test_facts_of_another_version_name_the_run_to_remove(settings: Settings) -> None:
    with Ledger.open(OLD, ledger_folder(settings)) as ledger:
        ledger.planned("cluster", "soh-101500-ab12-1", kept="2026-08-01T10:15:00+00:00")
        ledger.keep()

    with pytest.raises(HostError, match="cannot read") as told:
        kept_clusters(settings)
    assert f"nox -s clean -- --run {OLD}" in told.value.next_step


def test_the_list_has_run_environment_age_and_cells(settings: Settings) -> None:
    keep(settings, OLD, PI, TTL, when=datetime.now(UTC) - timedelta(days=3))
    console = Console(width=160, record=True)
    console.print(shell.listing(kept_clusters(settings)))
    text = console.export_text()

    for part in (OLD, "soh-101500-ab12-1", "kind-1.34", "3 days", PI, TTL):
        assert part in text


def found(settings: Settings) -> KeptCluster:
    return kept.find(settings, PI)


def test_the_cells_namespace_is_the_current_one_and_the_programs_are_the_runs(settings: Settings) -> None:
    keep(settings, NEW, PI)
    variables = shell.surroundings(found(settings), PI)
    shell.surroundings(found(settings), PI)

    document = yaml.safe_load(Path(variables["KUBECONFIG"]).read_text())
    assert document["contexts"][0]["context"] == {"cluster": "soh", "user": "admin", "namespace": "spark-pi"}
    assert Path(variables["KUBECONFIG"]).stat().st_mode & 0o777 == 0o600
    programs = Path(variables["PATH"].split(os.pathsep)[0])
    assert sorted(path.name for path in programs.iterdir()) == ["helm", "kubectl"]
    assert "namespace" not in found(settings).cluster.kubeconfig.read_text(), "the run's own file stays as it is"


def test_what_is_where_is_told(settings: Settings) -> None:
    keep(settings, NEW, PI, TTL)
    text = shell.told(found(settings), PI)

    for part in (
        "spark-operator in namespace operators",
        "spark-pi, of",
        "others':    ttl",
        "worker",
        f"--run {NEW}",
    ):
        assert part in text


def command(settings: Settings, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`harness shell` as a user runs it."""
    return subprocess.run(
        [sys.executable, "-m", "harness.cli", "shell", *words],
        env={**os.environ, "HARNESS_CACHE": str(settings.cache_dir), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_command_runs_there_and_its_status_is_returned(settings: Settings) -> None:
    cluster = keep(settings, NEW, PI)
    done = command(settings, PI, "--", "kubectl", "get", "pods", "--output", "wide")

    assert done.returncode == 0, done.stderr
    assert done.stdout == f"kubectl get pods --output wide in {cluster.kubeconfig.parent}/spark-pi.kubeconfig\n"
    assert command(settings, PI, "--", "sh", "-c", "exit 7").returncode == 7


def test_without_a_command_it_is_the_users_shell(settings: Settings) -> None:
    keep(settings, NEW, PI)
    own = script(settings.cache_dir / "own-shell", "kubectl version; helm")
    done = command(settings, PI, SHELL=str(own))

    assert done.stdout.splitlines()[-1] == "helm"
    assert "remove it" in done.stderr


def test_a_cluster_that_does_not_answer_says_how_to_remove_it(settings: Settings) -> None:
    keep(settings, NEW, PI, answers=False)
    done = command(settings, PI, "--", "true")

    assert done.returncode == 3
    assert "does not answer any more: " in done.stderr
    assert "connection refused" in done.stderr
    assert f"nox -s clean -- --run {NEW}" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs the id of a cell"),
        ((TTL,), f"no cluster of cell {TTL} was kept"),
        ((PI, "--run", OLD), f"of run {OLD} was kept"),
        ((PI, "--node", "nope"), "has no node nope"),
        ((PI, "--", "no-such-program"), "no-such-program cannot be run"),
        ((PI, "--nodes"), "unrecognized arguments"),
    ],
)
def test_wrong_usage_ends_with_2(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    message: str,
) -> None:
    keep(settings, NEW, PI)
    monkeypatch.setenv("HARNESS_CACHE", str(settings.cache_dir))
    try:
        status: object = cli.main(["shell", *words])
    except SystemExit as ended:
        status = ended.code

    assert status == 2
    assert message in capsys.readouterr().err


def test_a_shell_in_a_node_is_the_providers(settings: Settings) -> None:
    keep(settings, NEW, PI)
    programs = settings.cache_dir / "programs"
    script(programs / "docker", 'echo "docker $*"')
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    assert command(settings, PI, "--node", PATH=path).stdout == "docker exec -it soh-101500-cd34-1-control-plane bash\n"
    assert command(settings, PI, "--node", "worker", PATH=path).stdout == "docker exec -it worker bash\n"
    assert command(settings, PI, "--node", "worker", "--", "crictl", "ps", PATH=path).stdout == (
        "docker exec worker crictl ps\n"
    )
