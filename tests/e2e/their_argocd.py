# SPDX-License-Identifier: Apache-2.0
"""An Argo CD that somebody has for a cluster of theirs, with its API server, and the program `argocd` that asks it."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mirrors import SETTINGS
from runs import docker
from their_cluster import Theirs, delete

from harness.evidence.ledger import new_run_id
from harness.foundry import argocd, gobuild
from harness.foundry.store import Store
from harness.kube.api import connect
from harness.kube.well_known import CRDS_PATH
from harness.releases.argocd import beside, objects
from harness.releases.argocd.programs import Programs, inside
from harness.releases.charts import Chart
from harness.run import argo
from harness.waiting import until

_KINDS = ("applications", "appprojects")
_KUBECONFIG = "/home/argocd/kubeconfig"
_PORT = 8080


def program() -> Path:
    """The command `argocd`: which of Argo CD's programs it is follows from what it is called."""
    return gobuild.build(Store.of(SETTINGS), argocd.row().module).folder / "bin" / "argocd"


@contextmanager
def argocd_for(theirs: Theirs, charts: Sequence[Chart]) -> Iterator[tuple[str, str]]:
    """Argo CD that deploys to the cluster: the addresses of its API server, and of a repository with these charts."""
    image = argo.image(SETTINGS, print)
    made = Programs(theirs.cluster, image, run_id=new_run_id(), network=theirs.network, announce=lambda name: None)
    name = f"{theirs.cluster.name}-argocd-server"
    try:
        beside.begin(theirs.cluster, made, charts)
        with tempfile.TemporaryDirectory() as scratch:
            kubeconfig = Path(scratch) / "kubeconfig"
            kubeconfig.write_text(inside(theirs.cluster))
            kubeconfig.chmod(0o444)
            words = ["argocd", "--insecure", "--disable-auth", "--namespace", objects.NAMESPACE, "--port", str(_PORT)]
            words += ["--redis", f"{theirs.cluster.name}-argocd-redis:6379"]
            words += ["--repo-server", f"{theirs.cluster.name}-argocd-repo-server:8081"]
            environment = [
                "ARGOCD_BINARY_NAME=argocd-server",
                "ARGOCD_FAKE_IN_CLUSTER=true",
                f"KUBECONFIG={_KUBECONFIG}",
            ]
            variables = [word for it in environment for word in ("--env", it)]
            docker("create", "--name", name, "--network", theirs.network, *variables, image.reference, *words)
            docker("cp", str(kubeconfig), f"{name}:{_KUBECONFIG}")
        docker("start", name)
        (address,) = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
        _await(name)
        yield f"{address}:{_PORT}", made.repository
    finally:
        subprocess.run(["docker", "rm", "--force", "--volumes", name], check=False, timeout=60)
        made.stop()
        with connect(theirs.kubeconfig) as api:
            crds = (f"{CRDS_PATH}/{kind}.argoproj.io" for kind in _KINDS)
            delete(api, f"/api/v1/namespaces/{objects.NAMESPACE}", *crds)


def _await(name: str) -> None:
    """Wait until the API server answers; one that has ended says why."""
    ask = ["docker", "exec", name, "busybox", "wget", "-q", "-O", "-", f"http://127.0.0.1:{_PORT}/healthz"]

    def look() -> bool:
        answers = subprocess.run(ask, capture_output=True, timeout=60, check=False).returncode == 0
        if not answers and docker("inspect", "--format", "{{.State.Status}}", name) != ["running"]:
            said = subprocess.run(["docker", "logs", name], capture_output=True, text=True, timeout=60, check=True)
            raise AssertionError(said.stdout + said.stderr)
        return answers

    until(look, what="Argo CD's API server to answer", timeout=90)
