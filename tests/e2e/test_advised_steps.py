# SPDX-License-Identifier: Apache-2.0
"""The steps of `harness advise` are commands: a shell runs them here, word for word, where an old release is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import their_argocd
import yaml
from mirrors import SETTINGS
from their_cluster import CATALOGUE, Theirs, chart_of, homes, installed, kind_cluster, their_mirrors, unchanged

from harness.bootstrap import tools
from harness.foundry import operator
from harness.foundry.store import Store
from harness.kube.api import connect, get
from harness.kube.well_known import CRDS_PATH
from harness.releases.argocd import application, objects
from harness.waiting import Deadline

pytestmark = [pytest.mark.nightly, pytest.mark.xdist_group("advised-steps")]

OLD = CATALOGUE.release("2.2.1@docker.io")
NEW = CATALOGUE.release("2.5.2")
NAME, HOME = "production", "platform"
MOVED_IMAGE = "remove image.registry and image.repository from the values"
VALUES = {
    "image": {"registry": "docker.io", "repository": "kubeflow/spark-operator"},
    "spark": {"jobNamespaces": ["etl"]},
    "controller": {"workers": 4},
}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Theirs]:
    """The cluster, in which one release follows another; its nodes pull from mirrors of Docker Hub and of GHCR."""
    folder = tmp_path_factory.mktemp
    with their_mirrors(folder("mirrors"), NEW) as mirrors, kind_cluster(folder("cluster"), mirrors) as made:
        yield made


def programs(tool: str) -> dict[str, Path]:
    """The Helm of who deploys with this tool, and kubectl, by the names that commands call them by."""
    helm = "helm4" if tool == "helm4" else "helm3"
    found = tools.ensure(SETTINGS, [helm, tools.KUBECTL], [CATALOGUE.environment("kind-1.34").minor])
    return {"helm": found[helm].path, "kubectl": found[tools.KUBECTL].path}


class Shell:
    """The terminal of somebody who has these programs, in an empty folder, with the cluster as kubectl's context."""

    def __init__(self, theirs: Theirs, programs: Mapping[str, Path], folder: Path, **variables: str) -> None:
        self.folder = folder / "terminal"
        path, kubeconfig = folder / "bin", folder / "kubeconfig"
        for it in (self.folder, path):
            it.mkdir()
        kubeconfig.write_bytes(theirs.kubeconfig.read_bytes())
        for name, it in programs.items():
            (path / name).symlink_to(it)
        self.environment = {
            "PATH": f"{path}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "KUBECONFIG": str(kubeconfig),
            **variables,
        }

    def run(self, line: str) -> None:
        """Run a command that has to succeed, also in each part of a pipe."""
        argv = ["bash", "-o", "pipefail", "-c", line]
        done = subprocess.run(
            argv, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=700, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"


def advice(theirs: Theirs, tool: str = "") -> dict[str, Any]:
    """What is advised for the cluster as it is; without a tool, for the one that is found there."""
    where = ("--kubeconfig", str(theirs.kubeconfig), "--context", theirs.context, "--config", str(theirs.config))
    chart = operator.chart(Store.of(SETTINGS), NEW.version)
    argv = ["advise", *where, "--to", NEW.name, "--chart", str(chart), "--json", *(("--tool", tool) if tool else ())]
    done = subprocess.run(
        [sys.executable, "-m", "harness.cli", *argv], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


@pytest.mark.parametrize("tool", ["helm3", "helm4", "kubectl"])
def test_the_commands_of_the_advice_move_the_operator(theirs: Theirs, tool: str, tmp_path: Path) -> None:
    found = programs(tool)
    with unchanged(theirs), installed(theirs, OLD, NAME, HOME, VALUES, helm=found["helm"]):
        told = advice(theirs, tool)
        assert told["answer"] == "safe with these steps"
        shell = Shell(theirs, found, tmp_path)
        ran = []
        for step in (it["text"] for it in told["steps"]):
            if step.startswith(MOVED_IMAGE):
                saved = shell.folder / "spark-operator-values.yaml"
                kept = yaml.safe_load(saved.read_text())
                del kept["image"]
                saved.write_text(yaml.safe_dump(kept))
            elif step.split()[0] in found:
                shell.run(step)
                ran.append(step)
        assert any("apply --server-side" in it for it in ran), ran
        assert any("rollout status" in it for it in ran), ran

        moved(theirs)


@pytest.mark.parametrize("crds", ["by Argo CD", "by hand"])
def test_the_commands_of_the_advice_move_what_argo_cd_deploys(theirs: Theirs, crds: str, tmp_path: Path) -> None:
    found = {**programs("helm4"), "argocd": their_argocd.program()}
    offered = [chart_of(OLD), chart_of(NEW)]
    with (
        unchanged(theirs),
        homes(theirs, HOME),
        their_argocd.argocd_for(theirs, offered) as (server, repository),
        connect(theirs.kubeconfig) as api,
    ):
        shell = Shell(theirs, found, tmp_path, ARGOCD_SERVER=server, ARGOCD_OPTS="--plaintext")
        wanted = objects.application(NAME, HOME, repository, "spark-operator", OLD.version, VALUES, "server-side")
        del wanted["spec"]["syncPolicy"]["automated"]
        if crds == "by hand":
            # Without the server-side apply the CRDs are too long for Argo CD, so that many leave them out.
            del wanted["spec"]["syncPolicy"]["syncOptions"]
            wanted["spec"]["source"]["helm"]["skipCrds"] = True
            shell.run(f"tar xzf {chart_of(OLD).path} spark-operator/crds && kubectl create -f spark-operator/crds")
        application.create(api, wanted)
        try:
            shell.run(f"argocd app sync {NAME} && argocd app wait {NAME} --health --timeout 300")
            told = advice(theirs)
            assert told["answer"] == "safe with these steps"
            steps = [it["text"] for it in told["steps"]]
            ran = []
            for step in steps:
                if step.startswith(MOVED_IMAGE):
                    change = [{"op": "remove", "path": "/spec/source/helm/valuesObject/image"}]
                    shell.run(f"kubectl -n argocd patch application {NAME} --type json --patch '{json.dumps(change)}'")
                elif (command := command_of(step)).split()[0] in found:
                    shell.run(command)
                    ran.append(command)
            assert any("apply --server-side" in it for it in ran) is (crds == "by hand"), steps
            assert any("argocd app sync" in it for it in ran), steps
            moved(theirs)
        finally:
            application.delete(api, NAME, Deadline(seconds=120))


def command_of(step: str) -> str:
    """What a step has somebody type who may change the object of a GitOps tool."""
    _, object_too, command = step.partition("in Git, or on the object")
    return command.partition(": ")[2] if object_too else step


def moved(theirs: Theirs) -> None:
    """The new release runs, with the user's values and all of its CRDs."""
    with connect(theirs.kubeconfig) as api:
        deployed = get(api, f"/apis/apps/v1/namespaces/{HOME}/deployments")["items"]
        crds = {it["metadata"]["name"] for it in get(api, CRDS_PATH)["items"]}
    containers = [it["spec"]["template"]["spec"]["containers"][0] for it in deployed]
    assert {it["image"] for it in containers} == {"ghcr.io/kubeflow/spark-operator/controller:2.5.2"}
    assert any("--controller-threads=4" in it["args"] for it in containers)
    assert set(NEW.crds) <= crds
