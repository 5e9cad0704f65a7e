# SPDX-License-Identifier: Apache-2.0
"""Runs in a cluster that somebody has: a plain kind cluster, which these tests make by themselves.

Its node pulls from mirrors, so that digests can be compared. Whatever happens, the cluster is in the end what it was.
"""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from mirrors import Mirrors
from runs import Run
from their_cluster import (
    CATALOGUE,
    NAMESPACES,
    Theirs,
    delete,
    installed,
    kind_cluster,
    their_mirrors,
    unchanged,
)

from harness.kube.api import connect, get, listed, send
from harness.late import client
from harness.process import RUN_VARIABLE

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("existing-cluster")]

RELEASE = CATALOGUE.release("2.5.2")
OLD = CATALOGUE.release("2.2.1")
CELL = ("--env", "existing", "--path", "install-2.5.2", "--scenario", "spark-pi")


@pytest.fixture(scope="module")
def mirrors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirrors]:
    """Mirrors that every container of this machine reaches."""
    with their_mirrors(tmp_path_factory.mktemp("mirrors"), RELEASE, OLD) as made:
        yield made


@pytest.fixture(scope="module")
def theirs(mirrors: Mirrors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """The cluster of most tests."""
    with kind_cluster(tmp_path_factory.mktemp("cluster"), mirrors) as made:
        yield made


def run(theirs: Theirs, folder: Path, *words: str, kubeconfig: Path | None = None) -> Run:
    """Begin a run there."""
    where = theirs.words
    if kubeconfig is not None:
        where[where.index("--kubeconfig") + 1] = str(kubeconfig)
    return Run(folder, *words, *where)


def verdicts(ran: Run) -> dict[str, str]:
    """Cell → verdict and reason."""
    return {it.scenario: f"{it.verdict.value} {it.reason}".strip() for it in ran.cells()}


def test_an_install_passes_and_leaves_everything_as_found(theirs: Theirs, tmp_path: Path) -> None:
    with unchanged(theirs):
        ran = run(theirs, tmp_path, *CELL, "--yes")
        assert ran.end() == 0, ran.said
    assert verdicts(ran) == {"spark-pi": "passed"}
    (cell,) = ran.cells()
    assert {it.name: it.verdict.value for it in cell.checks}["image-digests"] == "passed"
    assert "left as found:" in ran.said
    assert "made for the run: namespaces spark-operator, spark-pi, operator-checks" in ran.said
    assert f"--context {theirs.context}" in cell.repro


def test_on_three_nodes_beside_a_users_operator_too(mirrors: Mirrors, tmp_path: Path) -> None:
    with kind_cluster(tmp_path / "cluster", mirrors, like="kind-1.34-3n") as theirs:
        with connect(theirs.kubeconfig) as api:
            assert len(get(api, "/api/v1/nodes")["items"]) == 3
        with users_operator(theirs), unchanged(theirs):
            before = pods(theirs)
            ran = run(theirs, tmp_path, *CELL, "--yes", "--beside")
            assert ran.end() == 0, ran.said
            assert verdicts(ran) == {"spark-pi": "passed"}
            assert pods(theirs) == before


def test_without_a_yes_nothing_is_changed(theirs: Theirs, tmp_path: Path) -> None:
    with unchanged(theirs):
        ran = run(theirs, tmp_path, *CELL)
        assert ran.end() == 2, ran.said
    assert "nobody can be asked" in ran.said
    assert not (tmp_path / "reports").exists()


def test_a_no_at_the_terminal_changes_nothing(theirs: Theirs, tmp_path: Path) -> None:
    ours, terminal = pty.openpty()
    environment = {**os.environ, "HARNESS_REPORTS": str(tmp_path / "reports")}
    environment.pop(RUN_VARIABLE, None)
    with unchanged(theirs):
        os.write(ours, b"n\n")
        done = subprocess.run(
            [sys.executable, "-m", "harness.cli", "run", *CELL, *theirs.words],
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=120,
            env=environment,
        )
    os.close(ours)
    os.close(terminal)
    assert done.returncode == 2, done.stdout + done.stderr
    assert f"Do this in the cluster of context {theirs.context}? [y/N]" in done.stdout
    assert "the answer was no" in done.stdout


@contextmanager
def users_operator(theirs: Theirs) -> Iterator[None]:
    """An operator of the user's, installed with Helm, that watches a namespace by name."""
    with installed(theirs, RELEASE, "prod", "data", {"spark": {"jobNamespaces": ["etl"]}}):
        yield


def pods(theirs: Theirs) -> set[str]:
    """The pods of the user's operator, by uid, with their restarts."""
    with connect(theirs.kubeconfig) as api:
        found = listed(client.CoreV1Api(api).list_namespaced_pod, "data")
    return {f"{it['metadata']['uid']} {[c['restartCount'] for c in it['status']['containerStatuses']]}" for it in found}


def test_a_users_operator_is_named_and_beside_it_is_left_alone(theirs: Theirs, tmp_path: Path) -> None:
    with unchanged(theirs), users_operator(theirs), unchanged(theirs):
        before = pods(theirs)
        refused = run(theirs, tmp_path / "refused", *CELL, "--yes")
        assert refused.end() == 3, refused.said
        for word in ("namespace data", "prod-spark-operator-controller", "Helm release prod", "installed by Helm"):
            assert word in refused.said.replace("\n", " ")
        ran = run(theirs, tmp_path, *CELL, "--yes", "--beside")
        assert ran.end() == 0, ran.said
        assert verdicts(ran) == {"spark-pi": "passed"}
        assert pods(theirs) == before
    assert "stays untouched: the operator in namespace data" in ran.said


def login_of(theirs: Theirs, file: Path) -> Path:
    """A kubeconfig of a service account of its own, without any rights."""
    with connect(theirs.kubeconfig) as api:
        accounts = f"{NAMESPACES}/people/serviceaccounts"
        send(api, "POST", NAMESPACES, {"metadata": {"name": "people"}})
        send(api, "POST", accounts, {"metadata": {"name": "guest"}})
        answer = send(api, "POST", f"{accounts}/guest/token", {"spec": {}})
    whole: dict[str, Any] = yaml.safe_load(theirs.kubeconfig.read_text())
    whole["users"] = [{"name": it["name"], "user": {"token": answer["status"]["token"]}} for it in whole["users"]]
    file.write_text(yaml.safe_dump(whole))
    return file


def bind(theirs: Theirs, roles: str) -> list[str]:
    """Make these roles and bind them to that account; the paths of what was made."""
    made = []
    account = {"kind": "ServiceAccount", "name": "guest", "namespace": "people"}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    with connect(theirs.kubeconfig) as api:
        for role in yaml.safe_load_all(roles):
            name = role["metadata"]["name"]
            send(api, "POST", f"{rbac}/clusterroles", role)
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}
            binding = {"metadata": {"name": name}, "subjects": [account], "roleRef": reference}
            send(api, "POST", f"{rbac}/clusterrolebindings", binding)
            made += [f"{rbac}/clusterrolebindings/{name}", f"{rbac}/clusterroles/{name}"]
    return made


def test_a_user_with_too_few_rights_gets_those_printed_that_are_enough(theirs: Theirs, tmp_path: Path) -> None:
    with unchanged(theirs):
        kubeconfig = login_of(theirs, tmp_path / "guest")
        made = []
        try:
            refused = run(theirs, tmp_path / "refused", *CELL, "--yes", kubeconfig=kubeconfig)
            assert refused.end() == 3, refused.said
            roles = refused.said[refused.said.index("apiVersion: rbac") :].partition("\n====")[0]
            made = bind(theirs, roles)
            with unchanged(theirs):
                ran = run(theirs, tmp_path, *CELL, "--yes", kubeconfig=kubeconfig)
                assert ran.end() == 0, ran.said
        finally:
            with connect(theirs.kubeconfig) as api:
                delete(api, *made, f"{NAMESPACES}/people")


def test_what_a_killed_run_left_is_found_and_removed(theirs: Theirs, tmp_path: Path) -> None:
    with unchanged(theirs):
        ran = run(theirs, tmp_path / "killed", *CELL, "--yes")
        ran.until_said("is ready, running 1 cell")
        os.killpg(ran.process.pid, signal.SIGKILL)
        ran.process.wait(30)
        refused = run(theirs, tmp_path / "refused", *CELL, "--yes")
        assert refused.end() == 3, refused.said
        assert f"harness clean --context {theirs.context}" in refused.said
        done = theirs.clean()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Namespace spark-pi" in done.stdout
        assert "a second look found nothing of this cache" in done.stdout
        assert ran.left() == []


class Way:
    """A way to the API server that can be closed and opened again."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Nothing gets through any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for it in self._open:
            with it, _closed_anyway():
                it.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def reopen(self) -> None:
        """Everything gets through again."""
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with _closed_anyway():
            while True:
                here, _ = listener.accept()
                there = socket.create_connection(("127.0.0.1", self._to))
                self._open += [here, there]
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


@contextmanager
def _closed_anyway() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with _closed_anyway():
        while data := one.recv(65536):
            other.sendall(data)
    with _closed_anyway():
        other.shutdown(socket.SHUT_RDWR)


def through(theirs: Theirs, way: Mapping[str, int], file: Path) -> Path:
    """A kubeconfig with other ports."""
    text = theirs.kubeconfig.read_text()
    for old, new in way.items():
        text = text.replace(f":{old}", f":{new}")
    file.write_text(text)
    return file


def test_an_api_server_that_goes_away_is_one_error_with_the_next_step(theirs: Theirs, tmp_path: Path) -> None:
    (port,) = set(re.findall(r"server: https://127\.0\.0\.1:(\d+)", theirs.kubeconfig.read_text()))
    with unchanged(theirs):
        way = Way(int(port))
        kubeconfig = through(theirs, {port: way.port}, tmp_path / "through")
        ran = run(theirs, tmp_path, *CELL, "--yes", kubeconfig=kubeconfig)
        ran.until_said("is ready, running 1 cell")
        way.close()
        assert ran.end() == 3, ran.said
        assert verdicts(ran)["spark-pi"].startswith("error")
        assert f"next: harness clean --context {theirs.context}" in " ".join(ran.results()["leaks"])
        way.reopen()
        done = theirs.clean(kubeconfig)
        assert done.returncode == 0, done.stdout + done.stderr
        way.close()


def test_an_upgrade_with_leave_brings_crds_and_takes_them_away(theirs: Theirs, tmp_path: Path) -> None:
    words = ("--env", "existing", "--path", "upgrade-2.2.1@docker.io-2.5.2+crds=apply", "--scenario", "operator-health")
    with unchanged(theirs):
        refused = run(theirs, tmp_path / "refused", *words, "--yes")
        assert refused.end() == 2, refused.said
        assert "--allow-upgrade" in refused.said
        ran = run(theirs, tmp_path, *words, "--yes", "--allow-upgrade")
        assert ran.end(timeout=600) == 0, ran.said
